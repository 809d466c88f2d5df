"""The command line as a user meets it: help, version, wrong usage, no Pulsar."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from client.cli import alpes
from terminal.errors import EXIT_CODES, NOT_ALL_RUNNING, CommandError

CHECKOUT = Path(__file__).parents[3]
NOBODY = "pulsar://127.0.0.1:1"


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(alpes, list(arguments), prog_name="alpes")
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _paths(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of a command and of all its subcommands."""
    yield path
    if isinstance(command, click.Group):
        with click.Context(command) as context:
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                yield from _paths(below, (*path, name))


@pytest.mark.parametrize("command", list(_paths(alpes)), ids=" ".join)
def test_help_has_an_example(command: tuple[str, ...]) -> None:
    code, out, _ = _run(*command, "--help")
    assert code == 0
    assert f"  alpes {' '.join(command)}" in out
    assert "\b" not in out
    assert max(map(len, out.splitlines())) <= 100


def test_the_list_of_commands_imports_none_of_them() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-P", "-m", "client", "--help"],
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'runtime'}"},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert not imported & {"client.commands", "operations.commands", "pulsar", "psycopg", "google.protobuf", "faker"}
    with click.Context(alpes) as context:
        for name in alpes.list_commands(context):
            assert f"\n  {name} " in done.stdout
            assert alpes.get_command(context, name)


def test_the_version_is_the_projects() -> None:
    assert 'version = "{}"'.format(_run("--version")[1].split()[1]) in (CHECKOUT / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize("command", ["send", "report"])
def test_no_pulsar_is_one_line_with_the_address_and_what_to_do(command: str) -> None:
    started = time.monotonic()
    code, out, err = _run(command, "--service-url", NOBODY)
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert NOBODY in err
    assert "./deploy.sh up" in err
    assert time.monotonic() - started < 5


def test_reconcile_exits_with_1_only_where_it_has_looked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise CommandError("The database of ALPES_PAGOS_DSN refused: canceling statement due to statement timeout.")

    monkeypatch.setattr("operations.commands.reconcile.Tables.opened", refuse)
    code, out, err = _run("reconcile")
    assert (code, out) == (2, "")
    assert "ALPES_PAGOS_DSN refused" in err


def test_reconcile_says_in_its_help_what_it_does_not_see_without_the_topics() -> None:
    text = " ".join(_run("reconcile", "--help")[1].split())
    assert "An order that was accepted and is in no table is seen only with --topics" in text
    assert "the result says of how many orders this is unknown" in text


@pytest.mark.parametrize("command", ["reconcile", "recover"])
def test_whose_databases_are_known_and_whose_are_named_is_said_in_the_help(command: str) -> None:
    text = " ".join(_run(command, "--help")[1].split())
    assert "knows the databases of the local stack; those of a cluster are named by ALPES_ORDENES_DSN, " in text


def test_a_port_that_does_not_speak_pulsar_is_known_in_seconds(silent_port: int) -> None:
    started = time.monotonic()
    code, _, err = _run("send", "--service-url", f"pulsar://127.0.0.1:{silent_port}")
    assert code == 2
    assert str(silent_port) in err
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "127.0.0.1", "pulsar://", "pulsar://host:port"])
def test_what_is_no_address_is_told_as_such(url: str) -> None:
    code, _, err = _run("send", "--service-url", url)
    assert code == 2
    assert "no address of a Pulsar broker" in err


@pytest.mark.parametrize("url", ["http://127.0.0.1:80x", "http://[::1", "nonsense"])
def test_what_is_no_address_of_the_admin_api_is_one_line(url: str) -> None:
    code, out, err = _run("show", "a", "--admin-url", url)
    assert (code, out) == (2, "")
    assert err == f"alpes: {url!r} is no address of Pulsar's admin API, such as http://127.0.0.1:8080.\n"


@pytest.mark.parametrize("text", ["nonsense", f"crear-orden:0:{2**64}:1", f"crear-orden:0:{'9' * 5_000}:1"])
def test_a_mistyped_letters_id_is_wrong_usage_told_in_one_line(text: str) -> None:
    for command in (["show"], ["replay"], ["discard", "--yes"]):
        code, out, err = _run("dlq", *command, text)
        assert (code, out) == (2, "")
        assert len(err.splitlines()) == 1
        assert len(err) < 250
        assert "is no letter's id, such as crear-orden:0:47:12. See alpes dlq list." in err


def test_the_address_may_come_from_the_environment() -> None:
    result = CliRunner(env={"PULSAR_SERVICE_URL": "pulsar://127.0.0.1:2"}).invoke(alpes, ["send"])
    assert "pulsar://127.0.0.1:2" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["send", "--orders", "0"],
        ["send", "--orders", "1e9"],
        ["send", "--orders", "1000000000"],
        ["send", "--rate", "0"],
        ["send", "--rate", "-1"],
        ["send", "--rate", "nan"],
        ["send", "--rate", "inf"],
        ["send", "--timeout", "nan"],
        ["send", "--seed", "x"],
        ["send", "--seed", "1_0"],
        ["send", "--orders", "2000001"],
        ["send", "--orders", "true"],
        ["dlq", "list", "--limit", "-1"],
        ["reconcile", "--grace", "-1"],
        ["send", "--ramp", "10"],
        ["send", "--ramp", "10:x", "--for", "1s"],
        ["send", "--ramp", "0:0", "--for", "1s"],
        ["send", "--ramp", "1:nan", "--for", "1s"],
        ["send", "--ramp", "1:2"],
        ["send", "--rate", "1", "--ramp", "1:2", "--for", "1s"],
        ["send", "--rate", "1", "--for", "1d"],
        ["send", "--rate", "1", "--for", "0s"],
        ["send", "--rate", "1", "--for", "10", "--orders", "10"],
        ["send", "--rate", "1000", "--for", "1h"],
        ["send", "--for", "10s"],
        ["send", "--burst", "10"],
        ["send", "--every", "10s"],
        ["send", "--mix", "valid"],
        ["send", "--mix", "valid=90,valid=10"],
        ["send", "--mix", "good=90"],
        ["send", "--mix", "valid=-1"],
        ["send", "--mix", "valid=0"],
        ["send", "--mix", "valid=1", "--from-file", "x"],
        ["send", "--mix", "valid=1", "--resume", "x"],
        ["send", "--from-file", "x", "--orders", "3"],
        ["send", "--from-file", "x", "--seed", "3"],
        ["send", "--from-file", "x", "--rate", "3", "--for", "3s"],
        ["send", "--from-file", "-", "--resume", "x"],
        ["send", "--skip-bad-lines"],
        ["send", "--resume", "/"],
        ["send", "--seed", "-1"],
        ["send", "--seed", "9" * 5_000],
        ["send", "--summary-json", ""],
        ["report", "--output", ""],
        ["report", "--output", "/"],
        ["report", "--from", "yesterday"],
        ["report", "--from", ""],
        ["report", "--to", ""],
        ["report", "--from", "2026-11-01", "--to", "2026-11-01"],
        ["report", "--from", "2026-11-01T01:30", "--tz", "America/New_York"],
        ["report", "--to", "2026-03-08T02:30", "--tz", "America/New_York"],
        ["report", "--by", "accepted"],
        ["report", "--filter", "status"],
        ["report", "--filter", "=aprobada"],
        ["report", "--filter", "status=aprobada", "--filter", "status=rechazada"],
        ["report", "--excel", "--format", "json"],
        ["report", "--tz", "Bogota"],
        ["show", "a", "--tz", ""],
        ["trace", "a", "--tz", "UTC+5"],
        ["dlq", "list", "--tz", "../etc"],
        ["send", "--tz", "x" * 5_000],
        ["reconcile", "--output", ""],
        ["reconcile", "--grace", "nan"],
        ["trace", "a", "--margin", "inf"],
        ["recover"],
        ["recover", "a", "--all-lost"],
        ["recover", "a b"],
        ["show", "a b"],
        ["show"],
        ["nonsense"],
        ["--nonsense"],
        ["dlq", "nonsense"],
    ],
)
def test_wrong_usage_exits_with_two_in_one_line_before_anything_is_asked(arguments: list[str]) -> None:
    code, out, err = _run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("alpes: ")
    assert len(err.splitlines()) == 1
    assert re.search(r"[.?!] See alpes.* --help\.$", err.rstrip())
    assert len(err) < 6_000
    assert "No Pulsar" not in err


def _file(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_bad_lines_of_a_file_are_named_before_anything_is_sent(tmp_path: Path) -> None:
    orders = _file(tmp_path / "orders.csv", "id,address,total_cents", "a,x,1", "b b,y,2", "c,z,-3")
    code, out, err = _run("send", "--service-url", NOBODY, "--from-file", str(orders))
    assert (code, out) == (2, "")
    *lines, last = err.splitlines()
    assert lines == [
        f"{orders}, line 3, 'b b,y,2': id is 'b b', must be 1 to 128 characters of [A-Za-z0-9._-]",
        f"{orders}, line 4, 'c,z,-3': total_cents is -3, must be 0 or more",
    ]
    assert last.startswith(f"alpes: 2 of the 3 lines of {orders} can't be sent, so none was: ")
    code, _, err = _run("send", "--service-url", NOBODY, "--from-file", str(orders), "--skip-bad-lines")
    assert code == 2
    assert f"{orders}: 2 of 3 lines are left out.\n" in err
    assert "No Pulsar" in err


@pytest.mark.parametrize("content", [(), ("id,address",), ("id,address", "a b,c")], ids=len)
def test_a_file_without_orders_is_refused(content: tuple[str, ...], tmp_path: Path) -> None:
    orders = _file(tmp_path / "orders.csv", *content)
    code, out, _ = _run("send", "--service-url", NOBODY, "--from-file", str(orders), "--skip-bad-lines")
    assert (code, out) == (2, "")


def test_a_run_is_continued_only_as_it_began(tmp_path: Path) -> None:
    notes = str(tmp_path / "run")
    begun = _run("send", "--service-url", NOBODY, "--orders", "7", "--seed", "3", "--resume", notes)
    assert "No Pulsar" in begun[2]
    for same in ([], ["--orders", "7"], ["--seed", "3", "--rate", "5"]):
        assert "No Pulsar" in _run("send", "--service-url", NOBODY, "--resume", notes, *same)[2]
    for other in (["--orders", "8"], ["--seed", "4"], ["--schema-version", "1"], ["--from-file", notes]):
        code, _, err = _run("send", "--service-url", NOBODY, "--resume", notes, *other)
        assert code == 2
        assert "sends 7 orders of the seed 3, and other options say otherwise" in err


def test_a_file_that_has_changed_is_not_continued(tmp_path: Path) -> None:
    orders, notes = _file(tmp_path / "orders.csv", "id,address", "a,x"), str(tmp_path / "run")
    command = ("send", "--service-url", NOBODY, "--from-file", str(orders), "--resume", notes)
    assert "No Pulsar" in _run(*command)[2]
    assert "No Pulsar" in _run("send", "--service-url", NOBODY, "--resume", notes)[2]
    _file(orders, "id,address", "a,y")
    code, _, err = _run(*command)
    assert code == 2
    assert f"{orders} has changed since its run began" in err


def test_the_help_names_every_exit_code() -> None:
    told = " ".join(_run("--help")[1].split())
    codes = ", ".join(f"{code} {means}" for code, means in EXIT_CODES.items() if code != NOT_ALL_RUNNING)
    assert f"Exit codes: {codes}." in told


def test_the_module_runs_as_a_program_and_the_library_stays_silent() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "client", "send", "--service-url", NOBODY],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("alpes: No Pulsar at pulsar://127.0.0.1:1 (Connection refused)")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_exits_with_130(request_to_end: signal.Signals, silent_port: int) -> None:
    command = [sys.executable, "-m", "client", "show", "a", "--admin-url", f"http://127.0.0.1:{silent_port}"]
    with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) as process:
        time.sleep(1.5)
        process.send_signal(request_to_end)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "alpes: interrupted\n")


def test_ctrl_c_while_modules_are_imported_exits_with_130(tmp_path: Path) -> None:
    # In place of click, which is imported first.
    (tmp_path / "click.py").write_text("import time\nprint('importing', flush=True)\ntime.sleep(30)\n")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{CHECKOUT}"}
    command = [sys.executable, "-P", "-m", "client"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "alpes: interrupted\n")
