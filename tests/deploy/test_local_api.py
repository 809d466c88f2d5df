"""The local stack's HTTP API: started, found again, replaced when its code has changed, and stopped."""

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local_stack import api, broker, stack
from local_stack.errors import PortTakenError, StartError
from local_stack.settings import Ports, Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    home = tmp_path / "home"
    (home / "logs").mkdir(parents=True)
    (home / stack.LOCK_NAME).touch()
    found = replace(from_environment({"ALPES_HOME": str(home)}), ports=Ports(port - Ports().api))
    yield found
    api.stop(found)


def test_it_starts_without_pulsar_is_found_again_and_stops(settings: Settings) -> None:
    assert not api.is_ready(settings)
    api.start(settings)
    assert api.is_ready(settings)
    assert api.is_current(settings)
    pid = api.find(settings)
    api.pid_file(settings).clear()
    assert api.find(settings) == pid, "a run that was killed may not have written the file"
    assert api.stop(settings)
    assert not api.is_ready(settings)
    assert api.find(settings) is None


def test_it_is_told_of_no_database(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALPES_ORDENES_DSN", "postgresql://secret")
    api.start(settings)
    environ = Path(f"/proc/{api.find(settings)}/environ").read_bytes()
    assert b"ALPES_ORDENES_DSN" not in environ


def test_it_stays_while_its_code_does_and_is_replaced_after(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not stack.start_api(settings), "Pulsar doesn't run"
    monkeypatch.setattr(broker, "find", lambda _settings: os.getpid())
    assert stack.start_api(settings)
    first = api.find(settings)
    assert not stack.start_api(settings)
    assert api.find(settings) == first
    (settings.home / "api.code").write_text("of another release")
    assert stack.start_api(settings)
    assert api.find(settings) not in {first, None}


def test_a_taken_port_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "find", lambda _settings: os.getpid())
    with socket.create_server(("127.0.0.1", settings.ports.api)):
        with pytest.raises(PortTakenError, match="HTTP API"):
            stack.start_api(settings)
        with pytest.raises(StartError, match="can't listen"):
            api.start(settings)
    assert api.find(settings) is None
