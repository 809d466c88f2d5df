"""The command line as a user meets it: help, wrong usage, no system to measure."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from alpes_runtime.errors import AlpesError
from bench import results, system
from bench.cli import MEASURING, OTHERS, main
from bench.commands import gate, session, totals
from bench.errors import BenchError, UnfinishedError
from connection.errors import UnreachableError
from deployment.errors import DeploymentError, TargetError
from local_stack.errors import NoSpaceError, NotSetUpError
from terminal.errors import CommandError
from tests.unit.bench.made import a_result

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _no_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_environ: object) -> None:
        raise AssertionError("a stack would have been started")

    monkeypatch.setattr(system, "_run", refuse)
    for name in system.UNSET:
        monkeypatch.delenv(name, raising=False)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must fail with exit code 2; return the one line that says why."""
    assert main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    return lines[-1]


def test_help_lists_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for command in (*MEASURING, *OTHERS):
        assert re.search(rf"^  {command}\b", done.stdout, re.MULTILINE), command


@pytest.mark.parametrize("command", MEASURING)
def test_every_measuring_command_has_a_quick_form(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert "--quick" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing"], "No such command 'nothing'"),
        (["latency", "--rates", "100,none"], "'none' is not a whole number of at least 1"),
        (["throughput", "--orders", "0"], "'0' is not a whole number of at least 1"),
        (["soak", "--minutes", "0.1"], "at least 0.5"),
        (["compare", "--only", "a,x"], "There is no variant x. There are a (this system), b ("),
        (["throughput", "--rows", "10", "--use-env"], "leave out --use-env"),
        (["soak", "--rows", "10", "--use-env"], "leave out --use-env"),
        (["latency", "--use-env"], "needs PULSAR_SERVICE_URL, PULSAR_ADMIN_URL, ALPES_"),
        (["gate", "nothing.json"], "can't be read"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_is_right(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert words in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnfinishedError("so"), 1),
        (NoSpaceError("so"), 1),
        (NotSetUpError("so"), 2),
        (DeploymentError("so"), 1),
        (TargetError("so"), 2),
        (CommandError("so"), 1),
        (UnreachableError("so"), 2),
        (AlpesError("so"), 1),
        (OSError(28, "so"), 1),
        (BrokenPipeError(), 0),
        (KeyboardInterrupt(), 130),
    ],
    ids=repr,
)
def test_an_error_has_the_exit_code_that_it_has_elsewhere(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_options: object) -> None:
        raise error

    monkeypatch.setattr(gate, "run", fail)
    assert main(["gate", "result.json"]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == (code != 0)
    assert (said == "so.\n" if isinstance(error, OSError) else said == "so\n") or code in (0, 130)


@pytest.mark.parametrize(
    ("lead", "code", "why"),
    [
        (">/dev/full", 1, "Can't write to standard output: No space left on device.\n"),
        (">&-", 1, "Can't write to standard output: it is closed.\n"),
        ('| true; exit "${PIPESTATUS[0]}"', 0, ""),
    ],
    ids=["full", "closed", "left"],
)
@pytest.mark.parametrize("command", ["--help", "gate"])
def test_an_output_that_takes_nothing_is_one_line_or_none(
    tmp_path: Path, command: str, lead: str, code: int, why: str
) -> None:
    results.write(a_result(), tmp_path / "result.json")
    arguments = (
        f"gate {tmp_path}/result.json --update --baseline {tmp_path}/base.json" if command == "gate" else command
    )
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m bench {arguments} {lead}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, why)


def test_a_folder_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchError, match=re.escape(f"ALPES_HOME={tmp_path} ALPES_PORT_OFFSET=7 ./deploy.sh destroy")),
        system.running(use_env=False, home=tmp_path, port_offset=7),
    ):
        pass


def test_what_was_started_is_removed_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, str]] = []

    def note(module: str, command: str, *_more: str, environ: dict[str, str]) -> None:
        done.append((module, command))
        assert environ["ALPES_HOME"] == str(tmp_path / "home")
        assert environ["ALPES_PORT_OFFSET"] == "7"
        assert not set(system.UNSET) & set(environ)
        if module == "deployment":
            raise BenchError("it failed")

    monkeypatch.setenv("PULSAR_SERVICE_URL", "pulsar://somebody.else:6650")
    monkeypatch.setattr(system, "_run", note)
    monkeypatch.setattr(system, "with_commit_times", lambda _settings: None)
    with (
        pytest.raises(BenchError, match="it failed"),
        system.running(use_env=False, home=tmp_path / "home", port_offset=7),
    ):
        pass
    assert done == [("local_stack", "up"), ("local_stack", "up"), ("deployment", "deploy"), ("local_stack", "destroy")]


def test_whole_numbers_are_read_from_texts_and_from_defaults() -> None:
    assert (session.positive("5_000"), session.positive(5_000)) == (5_000, 5_000)
    defaults = [option.get_default(click.Context(click.Command("totals"))) for option in totals.OPTIONS]
    assert [
        option.type_cast_value(click.Context(click.Command("totals")), default)
        for option, default in zip(totals.OPTIONS, defaults, strict=True)
    ][:2] == [5_000_000, [1000, 100]]
