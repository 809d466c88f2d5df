"""The local stack's own parts: settings, configuration files, ports, processes."""

import contextlib
import dataclasses
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import broker, credentials, distribution, environment, ports, processes, stack
from local_stack.cli import main
from local_stack.errors import (
    ChecksumError,
    NoSpaceError,
    OtherPortsError,
    PortTakenError,
)
from local_stack.settings import Ports, Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment(
        {"ALPES_HOME": str(tmp_path / "home"), "ALPES_CACHE": str(tmp_path / "cache"), "ALPES_PORT_OFFSET": "100"}
    )


@pytest.fixture
def listener() -> Iterator[int]:
    """A port that is taken, among those that PostgreSQL can be shifted to."""
    with socket.socket() as server:
        for port in range(55500, 65000):
            with contextlib.suppress(OSError):
                server.bind(("127.0.0.1", port))
                break
        server.listen()
        yield server.getsockname()[1]


def test_functions_inherit_our_python_the_dsns_and_nothing_of_another_pulsar(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULSAR_MEM", "-Xmx64g")
    monkeypatch.setenv("PYTHONPATH", "somewhere")
    settings.home.mkdir()
    known = credentials.load_or_make(settings)
    environ = broker.broker_environment(settings, known)
    assert environ["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert "PULSAR_MEM" not in environ
    # An instance looks there for the configuration of its log, and ends at its start if there is none.
    assert environ["PULSAR_HOME"] == str(settings.distribution)
    assert environ["PULSAR_STANDALONE_USE_ZOOKEEPER"] == "1"
    assert "PYTHONPATH" not in environ
    assert environ["ALPES_LATER_VARIABLES"] == str(environment.path(settings))
    assert environ["ALPES_PAGOS_DSN"] == f"postgresql://pagos:{known.passwords['pagos']}@127.0.0.1:54420/pagos"


def test_a_stack_keeps_the_ports_that_its_data_know(settings: Settings) -> None:
    asked = dataclasses.replace(settings, asked_offset=200)
    with pytest.raises(OtherPortsError, match="ALPES_PORT_OFFSET=100"):
        ports.choose(asked, bound=True)
    assert ports.choose(settings, bound=True) == settings


def test_a_stack_without_data_takes_what_is_asked_for_whatever_it_took_in_vain(settings: Settings) -> None:
    assert ports.choose(dataclasses.replace(settings, asked_offset=200), bound=False).ports == Ports(200)


def test_a_stack_chooses_the_first_ports_that_are_free(settings: Settings) -> None:
    settings = dataclasses.replace(settings, asked_offset=None)
    usual = ports.choose(settings, bound=False).ports
    with contextlib.ExitStack() as held:
        held.enter_context(socket.create_server(("127.0.0.1", usual.http)))
        chosen = ports.choose(settings, bound=False).ports
    assert chosen.offset > usual.offset
    assert not set(chosen.all().values()) & set(usual.all().values())


def test_no_two_choices_have_a_port_in_common() -> None:
    every = [port for offset in ports.CHOICES for port in Ports(offset).all().values()]
    assert len(every) == len(set(every))


def test_the_ports_of_a_stack_that_is_down_are_not_taken_by_another(settings: Settings, tmp_path: Path) -> None:
    settings = dataclasses.replace(settings, asked_offset=None)
    first = ports.choose(settings, bound=False)
    first.home.mkdir(exist_ok=True)
    with ports.one_at_a_time(first):
        credentials.load_or_make(first)
        ports.claim(first)
    # A claim that can't be read hides none of the others.
    (settings.cache / "ports" / "9990").mkdir()
    (settings.cache / "ports" / "9980").write_bytes(b"\xff")
    second = ports.choose(dataclasses.replace(settings, home=tmp_path / "second"), bound=False)
    assert second.ports != first.ports


def test_the_ports_of_a_stack_that_is_down_are_refused_to_one_that_asks_for_them(
    settings: Settings, tmp_path: Path
) -> None:
    first = dataclasses.replace(settings, ports=Ports(0))
    first.home.mkdir()
    with ports.one_at_a_time(first):
        credentials.load_or_make(first)
        ports.claim(first)
    other = dataclasses.replace(settings, home=tmp_path / "second")
    # 3181 of the first is ZooKeeper's of one that is 1000 higher.
    for offset, port in ((1000, 3181), (0, 54320)):
        second = dataclasses.replace(other, asked_offset=offset)
        with pytest.raises(
            PortTakenError, match=f"^Port {port}, .* belongs to the stack in {first.home}, .*"
        ) as refused:
            ports.choose(second, bound=False)
        assert "\n" not in str(refused.value)
    assert ports.choose(dataclasses.replace(other, asked_offset=20), bound=False).ports == Ports(20)
    # The stack recognises itself under another name.
    (tmp_path / "link").symlink_to(first.home)
    for home in (first.home, tmp_path / "link"):
        same = dataclasses.replace(settings, home=home, asked_offset=1000)
        assert ports.choose(same, bound=False).ports == Ports(1000)


def test_a_stack_whose_port_is_taken_leaves_nothing_running(
    settings: Settings, listener: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALPES_HOME", str(settings.home))
    monkeypatch.setenv("ALPES_CACHE", str(settings.cache))
    monkeypatch.setenv("ALPES_PORT_OFFSET", str(listener - 54320))
    assert main(["up"]) == 1
    assert f"Port {listener}, which PostgreSQL needs" in capsys.readouterr().err
    assert not any(part.ready for part in stack.status(from_environment()))


def test_a_process_is_found_again_and_stopped(tmp_path: Path) -> None:
    note = processes.PidFile(tmp_path / "sleeper.pid")
    process = processes.start_detached(["sleep", "60"], pid_file=note, log=tmp_path / "log", environ=dict(os.environ))
    assert note.running() == process.pid
    assert os.getsid(process.pid) == process.pid
    assert processes.stop(note, [(signal.SIGTERM, 5.0)])
    assert note.running() is None
    assert not processes.stop(note, [(signal.SIGTERM, 5.0)])


def test_a_download_that_is_not_what_is_pinned_is_thrown_away(settings: Settings) -> None:
    settings.cache.mkdir()
    tarball = settings.cache / "pulsar.tar.gz"
    tarball.write_bytes(b"something else")
    with pytest.raises(ChecksumError, match="not the pinned"):
        distribution._verify(tarball, settings)
    assert not tarball.exists()


def test_a_full_disk_is_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoSpaceError, match="choose another place with ALPES_CACHE") as refused:
        distribution.require_space(tmp_path, 1 << 60, "ALPES_CACHE")
    assert "\n" not in str(refused.value)


def test_destroy_asks_and_a_no_removes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALPES_HOME", str(settings.home))
    settings.home.mkdir()
    (settings.home / stack.LOCK_NAME).touch()
    for answer, code, left in (("\n", 1, True), ("n\n", 1, True), ("y\n", 0, False)):
        read, write = os.pipe()
        os.write(write, answer.encode())
        os.close(write)
        with os.fdopen(read) as typed:
            monkeypatch.setattr(sys, "stdin", typed)
            assert main(["destroy"]) == code
        assert settings.home.exists() is left
    assert "[y/N]" in capsys.readouterr().err


def test_destroy_never_removes_a_folder_that_is_no_stack(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALPES_HOME", str(settings.home))
    settings.home.mkdir()
    (settings.home / "thesis.txt").touch()
    assert main(["destroy", "--yes"]) == 1
    assert main(["up"]) == 1
    assert [path.name for path in settings.home.iterdir()] == ["thesis.txt"]
    assert "already has other contents" in capsys.readouterr().err
