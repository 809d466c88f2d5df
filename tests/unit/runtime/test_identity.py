"""As whom an instance connects: with its function's own token, never by mistake with the worker's."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alpes_runtime import _pulsar_host
from alpes_runtime._identity import own_token
from alpes_runtime._pulsar_host import NotSubscribed, prepare
from alpes_runtime.errors import Misconfigured
from alpes_wire import endpoint_of

WORKERS = ["main", "--pulsar_serviceurl", "pulsar://127.0.0.1:1", "--client_auth_plugin", "AuthenticationToken"]
WORKERS += ["--client_auth_params", "file:///worker"]


def test_the_file_is_read_again_and_a_missing_one_leaves_the_token_before(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    token = own_token("ordenes", {"ALPES_ORDENES_TOKEN_FILE": str(file)})
    assert token is not None
    file.write_text("second\n")
    assert token() == b"second"
    file.unlink()
    assert token() == b"second"


def test_without_the_variable_the_workers_credentials_hold() -> None:
    assert own_token("ordenes", {"ALPES_PAGOS_TOKEN_FILE": "/nowhere"}) is None
    endpoint = endpoint_of([*WORKERS[:3]], None)
    assert endpoint is not None
    assert endpoint.auth_method == ""


def test_a_function_with_a_hyphen_has_a_variable_with_an_underscore(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t")
    assert own_token("mis-envios", {"ALPES_MIS_ENVIOS_TOKEN_FILE": str(tmp_path / "token")}) is not None


@pytest.mark.parametrize(("content", "says"), [(None, "can't be read: No such file"), ("\n", "is empty")])
def test_a_file_without_a_token_ends_the_instance(tmp_path: Path, content: str | None, says: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Misconfigured, match=rf"token \(ALPES_PAGOS_TOKEN_FILE\) {says}"):
        own_token("pagos", {"ALPES_PAGOS_TOKEN_FILE": str(file)})


def test_the_own_token_goes_before_the_workers() -> None:
    endpoint = endpoint_of(WORKERS, lambda: b"own")
    assert endpoint is not None
    assert (endpoint.auth_method, endpoint.auth_data()) == ("token", b"own")


class Instance:
    """What Pulsar's instance is to us."""

    def __init__(self, intake: str) -> None:
        details = SimpleNamespace(name="pagos", userConfig=f'{{"intake": "{intake}"}}')
        self.instance_config = SimpleNamespace(function_details=details)
        self.closed = 0
        self.workers = SimpleNamespace(subscribe=None, close=self._close)
        self.pulsar_client: Any = self.workers

    def _close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(("intake", "subscribes"), [("direct", False), ("runtime", True)])
def test_the_instance_gets_a_client_of_the_functions_own_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, intake: str, subscribes: bool
) -> None:
    (tmp_path / "token").write_text("own")
    monkeypatch.setenv("ALPES_PAGOS_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setattr(sys, "argv", WORKERS)
    made: list[bytes] = []

    def client_of(_arguments: object, token: Any) -> Any:
        made.append(token())
        return SimpleNamespace(subscribe=None)

    monkeypatch.setattr(_pulsar_host, "client_of", client_of)
    instance = Instance(intake)
    prepare(instance)
    prepare(instance)
    assert (instance.closed, made) == (1, [b"own"])
    assert instance.pulsar_client is not instance.workers
    assert (instance.pulsar_client.subscribe is not NotSubscribed) == subscribes


def test_without_a_token_of_its_own_the_instance_keeps_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALPES_PAGOS_TOKEN_FILE", raising=False)
    monkeypatch.setattr(sys, "argv", WORKERS)
    instance = Instance("direct")
    prepare(instance)
    assert instance.pulsar_client is instance.workers
    assert instance.closed == 0
