"""deploy.sh itself: which programs it calls, in which order, and what it says when it can't."""

import os
import shutil
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT
from tests.deploy.test_deploy_target import CLUSTER

# Stands for the virtual environment's Python: notes what it is asked to run, answers for our own commands, and is the
# real one for everything else.
PYTHON = """#!/usr/bin/env bash
if [ "$1" = -m ] && [ "$2" != pip ]; then
    shift
    printf '%s\\n' "$*" >>"$STUB_CALLS"
    case $* in
        "deployment where") echo "${{STUB_WHERE:-local}}" ;;
        "local_stack env") echo "export PULSAR_SERVICE_URL=pulsar://stub" ;;
        "deployment deploy --summary-json "*) printf '{{"changed": ["ordenes"], "started_at_ms": 1000}}' >"$4" ;;
        "client send "*)
            [ "${{STUB_SEND_CODE:-0}}" = 0 ] || exit "$STUB_SEND_CODE"
            [ "$PULSAR_SERVICE_URL" = pulsar://stub ] || exit 9
            printf '{{"started_at_ms": 2000, "first_finished_at_ms": 4500}}' >"${{!#}}"
            ;;
        "client report "*) printf 'id,status\\na,aprobada\\nb,rechazada\\n' >"${{!#}}" ;;
    esac
    [ "$1 $2" != "${{STUB_FAILS:-}}" ] || {{ echo "it can't be done" >&2; exit 1; }}
    exit 0
fi
exec {python} "$@"
"""


class Script:
    """deploy.sh in a copy of the checkout's files that it needs, with a stub for the environment's Python."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        (self.root / "scripts").mkdir(parents=True)
        (self.root / "requirements").mkdir()
        for name in ("deploy.sh", "scripts/venv.sh", "requirements/app.txt"):
            shutil.copy(ROOT / name, self.root / name)
        self.calls_file = folder / "calls"
        venv = folder / "venv"
        (venv / "bin").mkdir(parents=True)
        python = venv / "bin" / "python"
        python.write_text(PYTHON.format(python=sys.executable))
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        (venv / ".stamp-app").write_text(sha256((ROOT / "requirements" / "app.txt").read_bytes()).hexdigest() + "\n")
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("PULSAR_", "ALPES_"))
        }
        self.environment |= {"ALPES_VENV": str(venv), "STUB_CALLS": str(self.calls_file)}

    def __call__(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        self.calls_file.unlink(missing_ok=True)
        return subprocess.run(
            [str(self.root / "deploy.sh"), *arguments],
            cwd="/",
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        """What Python was asked to run, questions of where left out."""
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [line for line in lines if line != "deployment where"]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def first_words(calls: list[str]) -> list[str]:
    return [" ".join(call.split()[:2]) for call in calls]


def test_without_a_command_it_starts_deploys_sends_and_reports(script: Script) -> None:
    done = script()
    assert done.returncode == 0, done.stderr
    assert first_words(script.calls) == [
        "local_stack up",
        "deployment deploy",
        "local_stack env",
        "client send",
        "client report",
    ]
    assert "--orders 100" in script.calls[3]
    assert "a,aprobada" in done.stdout
    assert "3.5 s" in done.stdout, "from the functions' creation to the first finished order"
    assert "All in all: " in done.stdout


def test_on_a_cluster_it_starts_nothing(script: Script) -> None:
    done = script(STUB_WHERE="cluster", **{**CLUSTER, "PULSAR_SERVICE_URL": "pulsar://stub"})
    assert done.returncode == 0, done.stderr
    assert first_words(script.calls) == ["deployment deploy", "client send", "client report"]


@pytest.mark.parametrize(
    ("failing", "last"), [("local_stack up", "local_stack up"), ("deployment deploy", "deployment deploy")]
)
def test_it_stops_where_a_step_fails(script: Script, failing: str, last: str) -> None:
    done = script(STUB_FAILS=failing)
    assert done.returncode == 1
    assert first_words(script.calls)[-1] == last
    assert done.stderr.strip().splitlines()[-1] == "it can't be done"


def test_orders_that_are_not_accounted_for_fail_it(script: Script) -> None:
    done = script(STUB_SEND_CODE="4")
    assert done.returncode == 4
    assert "client report" not in first_words(script.calls)


@pytest.mark.parametrize(
    ("arguments", "calls"),
    [
        (["up"], ["local_stack up"]),
        (["deploy"], ["deployment deploy"]),
        (["deploy", "ordenes", "pagos"], ["deployment deploy ordenes pagos"]),
        (["status"], ["local_stack status", "deployment status"]),
        (["env"], ["local_stack env"]),
        (["scale", "ordenes", "2"], ["deployment scale ordenes 2"]),
        (["logs", "ordenes", "-f"], ["deployment logs ordenes -f"]),
        (["down"], ["local_stack down"]),
        (["destroy", "--yes"], ["local_stack destroy --yes"]),
    ],
    ids=" ".join,
)
def test_each_command_is_one_step(script: Script, arguments: list[str], calls: list[str]) -> None:
    done = script(*arguments)
    assert done.returncode == 0, done.stderr
    assert script.calls == calls


def test_env_prints_nothing_but_lines_for_a_shell(script: Script) -> None:
    assert script("env").stdout == "export PULSAR_SERVICE_URL=pulsar://stub\n"


def test_env_on_a_cluster_gives_back_what_is_set(script: Script) -> None:
    done = script("env", STUB_WHERE="cluster", **CLUSTER)
    shell = f'{done.stdout}\nprintf %s "$ALPES_PAGOS_DSN"'
    read = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True, env={})
    assert read.stdout == CLUSTER["ALPES_PAGOS_DSN"]


@pytest.mark.parametrize("command", ["down", "destroy"])
def test_somebodys_cluster_is_never_stopped(script: Script, command: str) -> None:
    done = script(command, STUB_WHERE="cluster", **CLUSTER)
    assert done.returncode != 0
    assert script.calls == []
    assert CLUSTER["PULSAR_SERVICE_URL"] in done.stderr


@pytest.mark.parametrize(("typed", "near"), [("stauts", "status"), ("dploy", "deploy"), ("log", "logs")])
def test_an_unknown_command_is_told_with_the_nearest(script: Script, typed: str, near: str) -> None:
    done = script(typed)
    assert done.returncode == 2
    assert done.stderr == f"There is no command '{typed}'. Did you mean '{near}'?\n"
    assert done.stdout == ""
    assert script.calls == []


@pytest.mark.parametrize("arguments", [["scale"], ["scale", "ordenes"], ["logs"], ["status", "all"], ["down", "now"]])
def test_wrong_arguments_are_told_how_it_is_used(script: Script, arguments: list[str]) -> None:
    done = script(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Usage: ./deploy.sh {arguments[0]}")
    assert len(done.stderr.splitlines()) == 1
    assert script.calls == []


@pytest.mark.parametrize("argument", ["--help", "-h", "help"])
def test_help_names_every_command_and_needs_nothing(script: Script, argument: str) -> None:
    shutil.rmtree(script.environment["ALPES_VENV"])
    done = script(argument)
    assert done.returncode == 0
    for command in ("up", "deploy", "status", "env", "scale", "logs", "down", "destroy"):
        assert f"\n  {command} " in done.stdout


def test_it_is_run_from_any_folder_and_leaves_no_temporary_file(script: Script, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    assert script(TMPDIR=str(temporary)).returncode == 0
    assert list(temporary.iterdir()) == []


def test_without_a_python_it_says_which_one_is_needed(script: Script, tmp_path: Path) -> None:
    shutil.rmtree(script.environment["ALPES_VENV"])
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "date", "cat"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    done = script("up", PATH=str(tools))
    assert done.returncode == 1
    assert "Python 3.11 or later is needed" in done.stderr
