"""Ports that are taken are named, with the process that has them."""

import os
import socket
from pathlib import Path

import pytest

from local_stack import credentials, postgres, stack
from local_stack.errors import PortTakenError, StartError
from local_stack.ports import CHOICES, is_taken, require_free
from local_stack.settings import Ports, Settings, from_environment
from tests.stack import OFFSETS


def test_a_taken_port_is_named_with_its_purpose_and_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert is_taken(port)
        with pytest.raises(PortTakenError) as caught:
            require_free({"PostgreSQL": port}, "Stop that, please.")
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(port), "PostgreSQL", f"process {os.getpid()}", "Stop that, please."):
        assert part in message
    assert not is_taken(port)
    require_free({"PostgreSQL": port})


def test_a_port_that_is_bound_on_all_addresses_is_taken_too() -> None:
    with socket.create_server(("", 0)) as server:
        assert is_taken(server.getsockname()[1])


def test_the_tests_own_stack_takes_no_port_that_another_may_choose() -> None:
    theirs = {port for offset in CHOICES for port in Ports(offset).all().values()}
    ours = [port for offset in OFFSETS for port in Ports(offset).all().values()]
    assert theirs.isdisjoint(ours)
    assert len(ours) == len(set(ours))


def test_ports_that_another_stack_took_since_the_choice_are_chosen_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def start(settings: Settings, _known: credentials.Credentials) -> None:
        tried.append(settings.ports.postgres)
        if is_taken(settings.ports.postgres):
            raise StartError("could not bind")

    monkeypatch.setattr(postgres, "start", start)
    environment = {"ALPES_HOME": str(tmp_path / "home"), "ALPES_CACHE": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    (tmp_path / "home").mkdir()
    chosen, known = stack._choose_ports(
        from_environment(environment), bound=False, with_postgres=True, with_broker=True
    )
    with socket.create_server(("127.0.0.1", chosen.ports.postgres)):
        again, known = stack._start_postgres(chosen, known, bound=False)
        with pytest.raises(StartError):
            stack._start_postgres(chosen, known, bound=True)
    assert tried == [chosen.ports.postgres, again.ports.postgres, chosen.ports.postgres]
    assert again.ports != chosen.ports
    assert known.port_offset == again.ports.offset
