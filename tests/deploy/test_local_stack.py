"""The local stack's own parts: settings, configuration files, ports, processes."""

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from local_stack import broker, conf_files, credentials, distribution, environment, ports, processes, stack
from local_stack.cli import main
from local_stack.errors import (
    ChecksumError,
    LocalStackError,
    NoSpaceError,
    NotSetUpError,
    OtherPortsError,
    PortTakenError,
)
from local_stack.settings import PULSAR_VERSION, Ports, Settings, from_environment

WORKER = """\
workerId: standalone
pulsarServiceUrl: pulsar://localhost:6650
instanceLivenessCheckFreqMs: 30000
functionRuntimeFactoryConfigs:
    logDirectory: logs/
"""
STANDALONE = """\
# The port.
brokerServicePort=6650

# Whether the journal is synced.
journalSyncData=false
metadataStoreUrl=
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return from_environment(
        {"ALPES_HOME": str(tmp_path / "home"), "ALPES_CACHE": str(tmp_path / "cache"), "ALPES_PORT_OFFSET": "100"}
    )


@pytest.fixture
def listener() -> Iterator[int]:
    """A port with somebody on it, among those that PostgreSQL can be shifted to."""
    with socket.socket() as server:
        for port in range(55500, 65000):
            with contextlib.suppress(OSError):
                server.bind(("127.0.0.1", port))
                break
        server.listen()
        yield server.getsockname()[1]


def test_every_port_is_shifted_by_the_offset() -> None:
    here, there = (from_environment({"ALPES_PORT_OFFSET": offset}).ports for offset in ("0", "700"))
    assert here.of_pulsar() == {
        "Pulsar's broker": 6650,
        "Pulsar's admin REST API": 8080,
        "ZooKeeper": 2181,
        "BookKeeper": 3181,
        "the state store": 4181,
    }
    assert there.of_pulsar() == {name: port + 700 for name, port in here.of_pulsar().items()}
    assert (here.postgres, there.postgres) == (54320, 55020)


@pytest.mark.parametrize("offset", ["-1", "1.5", "many", "60000"])
def test_an_offset_that_cannot_be_is_named(offset: str) -> None:
    with pytest.raises(LocalStackError, match="ALPES_PORT_OFFSET"):
        from_environment({"ALPES_PORT_OFFSET": offset})


def test_another_version_of_pulsar_needs_its_checksum() -> None:
    with pytest.raises(LocalStackError, match="ALPES_PULSAR_SHA512"):
        from_environment({"ALPES_PULSAR_VERSION": "4.0.9"})
    other = from_environment({"ALPES_PULSAR_VERSION": "4.0.9", "ALPES_PULSAR_SHA512": "AB"})
    assert (other.version, other.sha512) == ("4.0.9", "ab")
    assert from_environment({}).version == PULSAR_VERSION


def test_downloads_go_to_the_users_cache_folder(tmp_path: Path) -> None:
    assert from_environment({"XDG_CACHE_HOME": str(tmp_path)}).cache == tmp_path / "alpes"


def test_a_property_is_replaced_where_it_stands_or_added_and_twice_changes_nothing() -> None:
    values: dict[str, object] = {"journalSyncData": "true", "added": r"a\b"}
    once = conf_files.set_properties(STANDALONE, values)
    assert once.splitlines() == [
        *STANDALONE.replace("journalSyncData=false", "journalSyncData=true").splitlines(),
        r"added=a\b",
    ]
    assert conf_files.set_properties(once, values) == once


def test_the_broker_listens_on_loopback_only_and_syncs_its_journal(settings: Settings) -> None:
    lines = conf_files.standalone_conf(STANDALONE, settings).splitlines()
    assert {"brokerServicePort=6750", "webServicePort=8180", "journalSyncData=true", "bindAddress=127.0.0.1"} <= {
        *lines
    }


def test_the_function_worker_notices_a_dead_instance_within_seconds(settings: Settings) -> None:
    worker = yaml.safe_load(conf_files.functions_worker_yml(WORKER, settings))
    assert worker["instanceLivenessCheckFreqMs"] == 2000
    assert worker["stateStorageServiceUrl"] == "bk://127.0.0.1:4281"
    assert worker["pulsarServiceUrl"] == settings.service_url
    assert worker["workerId"] == "standalone"
    assert Path(worker["functionRuntimeFactoryConfigs"]["logDirectory"]).is_relative_to(settings.home)
    assert Path(worker["downloadDirectory"]).is_relative_to(settings.home)


def test_postgres_keeps_what_it_confirmed_and_listens_on_loopback_only(settings: Settings) -> None:
    lines = conf_files.postgres_conf(settings).splitlines()
    assert {"synchronous_commit = on", "fsync = on", "listen_addresses = '127.0.0.1'", "port = 54420"} <= {*lines}


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
    # Without it an instance ends at its start: it looks for the configuration of its log there.
    assert environ["PULSAR_HOME"] == str(settings.distribution)
    assert environ["PULSAR_STANDALONE_USE_ZOOKEEPER"] == "1"
    assert "PYTHONPATH" not in environ
    assert environ["ALPES_PAGOS_DSN"] == f"postgresql://pagos:{known.passwords['pagos']}@127.0.0.1:54420/pagos"


def test_passwords_are_made_once_and_read_by_their_owner_only(settings: Settings) -> None:
    with pytest.raises(NotSetUpError, match=r"deploy\.sh up"):
        credentials.load(settings)
    settings.home.mkdir()
    made = credentials.load_or_make(settings)
    assert credentials.load_or_make(settings) == made
    assert len(set(made.passwords.values())) == 4
    assert (settings.home / "credentials.json").stat().st_mode & 0o777 == 0o600


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
    # What can't be read among the claims hides none of them.
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
    # The same stack is itself by another name, too.
    (tmp_path / "link").symlink_to(first.home)
    for home in (first.home, tmp_path / "link"):
        same = dataclasses.replace(settings, home=home, asked_offset=1000)
        assert ports.choose(same, bound=False).ports == Ports(1000)


def test_the_environment_can_be_read_by_a_shell(settings: Settings) -> None:
    settings.home.mkdir()
    credentials.load_or_make(settings)
    script = f"""{environment.export_lines(settings)}
    printf '%s\\n' "$PULSAR_SERVICE_URL" "$ALPES_ORDENES_DSN" "$PULSAR_ADMIN"
    """
    shown = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    wanted = environment.variables(settings)
    assert shown == [wanted[name] for name in ("PULSAR_SERVICE_URL", "ALPES_ORDENES_DSN", "PULSAR_ADMIN")]


def test_a_taken_port_is_named_with_its_purpose_and_holder(listener: int) -> None:
    with pytest.raises(PortTakenError) as refused:
        ports.require_free({"ZooKeeper": listener})
    said = str(refused.value)
    assert f"Port {listener}, which ZooKeeper needs, is taken by" in said
    assert f"process {os.getpid()}" in said
    assert "\n" not in said


def test_a_stack_whose_port_is_taken_leaves_nothing_running(
    settings: Settings, listener: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALPES_HOME", str(settings.home))
    monkeypatch.setenv("ALPES_CACHE", str(settings.cache))
    monkeypatch.setenv("ALPES_PORT_OFFSET", str(listener - 54320))
    assert main(["up"]) == 1
    assert f"Port {listener}, which PostgreSQL needs" in capsys.readouterr().err
    assert not any(part.ready for part in stack.status(from_environment()))


def test_a_free_port_is_free() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    ports.require_free({"anything": port})


def test_a_process_is_found_again_and_stopped(tmp_path: Path) -> None:
    note = processes.PidFile(tmp_path / "sleeper.pid")
    process = processes.start_detached(["sleep", "60"], pid_file=note, log=tmp_path / "log", environ=dict(os.environ))
    assert note.running() == process.pid
    assert os.getsid(process.pid) == process.pid
    assert processes.stop(note, [(signal.SIGTERM, 5.0)])
    assert note.running() is None
    assert not processes.stop(note, [(signal.SIGTERM, 5.0)])


def test_a_process_that_ignores_the_gentle_signal_gets_the_harder_one(tmp_path: Path) -> None:
    note = processes.PidFile(tmp_path / "stubborn.pid")
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    log = tmp_path / "log"
    process = processes.start_detached([sys.executable, "-c", code], pid_file=note, log=log, environ=dict(os.environ))
    while "up" not in log.read_text():
        assert process.poll() is None
    assert processes.stop(note, [(signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0)])
    assert note.running() is None


def test_a_later_process_of_the_same_number_is_nobodys_to_stop(tmp_path: Path) -> None:
    note = processes.PidFile(tmp_path / "old.pid")
    note.path.write_text(f'{{"pid": {os.getpid()}, "identity": "of another time"}}')
    assert note.running() is None
    assert not processes.stop(note, [(signal.SIGKILL, 1.0)])


@pytest.mark.parametrize("content", ["", "12", "{}", "not json"])
def test_a_damaged_note_is_none(tmp_path: Path, content: str) -> None:
    note = processes.PidFile(tmp_path / "damaged.pid")
    note.path.write_text(content)
    assert note.running() is None


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
