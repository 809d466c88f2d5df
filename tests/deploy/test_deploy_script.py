"""What ./deploy.sh calls, with stubs in place of the programs that it calls."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from deployment import function_configs

ROOT = Path(__file__).parents[2]
LOCAL_ENV = (
    "export PULSAR_SERVICE_URL=pulsar://127.0.0.1:6650 PULSAR_ADMIN_URL=http://127.0.0.1:8080 "
    "ALPES_API_URL=http://127.0.0.1:8081"
)
CLUSTER = {
    "PULSAR_SERVICE_URL": "pulsar://cluster:6650",
    "PULSAR_ADMIN_URL": "http://cluster:8080",
    "ALPES_ORDENES_DSN": "postgresql://o@db/ordenes",
    "ALPES_PAGOS_DSN": "postgresql://p@db/pagos",
    "ALPES_REPORTING_DSN": "postgresql://r@db/reporting",
}
# Stands in for the environment's Python: it notes and answers calls of our modules, and runs anything else as Python.
PYTHON = """#!{python}
import json, os, sys
arguments = sys.argv[1:]
if arguments[:1] == ["-m"] and arguments[1] in ("local_stack", "local_stack.precheck", "deployment", "client"):
    call = " ".join(arguments[1:])
    with open({calls!r}, "a") as file:
        file.write(call + "\\n")
    answers = json.load(open({answers!r}))
    code, output = next((answers[begin] for begin in answers if call.startswith(begin)), (0, ""))
    for option, text in (("--summary-json", {summary!r}), ("--output", "id,status\\n1,aprobada\\n2,rechazada\\n")):
        if option in arguments:
            open(arguments[arguments.index(option) + 1], "w").write(text)
    print(output, end="")
    sys.exit(code)
if arguments[:2] == ["-m", "pip"]:
    with open({calls!r}, "a") as file:
        file.write("pip install\\n" * ("install" in arguments))
    sys.exit(0)
os.execv({python!r}, [{python!r}, *arguments])
"""
SUMMARY = json.dumps({"changed": [], "started_at_ms": 1000, "first_finished_at_ms": 3500})

NEEDED = (
    "deploy.sh",
    "scripts/arguments.sh",
    "scripts/venv.sh",
    "requirements/app.txt",
    "requirements/dev.txt",
    *(str(config.path.relative_to(ROOT)) for config in function_configs.load().values()),
)
"""What the script reads before it runs any Python of ours."""


class Script:
    """A checkout with a deploy.sh to run, in which nothing but the script is real."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "checkout"
        self._calls = folder / "calls"
        self._answers = folder / "answers"
        for name in NEEDED:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.root / name)
        python = self.root / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(
            PYTHON.format(python=sys.executable, calls=str(self._calls), answers=str(self._answers), summary=SUMMARY)
        )
        python.chmod(0o755)
        self.stamp = self.root / ".venv" / ".stamp-app"
        self.stamp.write_text(hashlib.sha256((self.root / "requirements/app.txt").read_bytes()).hexdigest() + "\n")
        self.answer({})

    def answer(self, answers: dict[str, tuple[int, str]]) -> None:
        """Set, by the beginning of a call, what it exits with and prints."""
        usual = {"deployment where": (0, "local\n"), "local_stack env": (0, f"{LOCAL_ENV}\n")}
        self._answers.write_text(json.dumps({**usual, **answers}))

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULSAR_", "ALPES_"))}
        return subprocess.run(
            ["bash", str(self.root / "deploy.sh"), *arguments],
            env={**kept, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def all_calls(self) -> list[str]:
        """What was called."""
        return self._calls.read_text().splitlines() if self._calls.exists() else []

    @property
    def calls(self) -> list[str]:
        """What was called, without the checks of the machine and of where to deploy."""
        return [line for line in self.all_calls if not line.startswith(("local_stack.precheck", "deployment where"))]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    return Script(tmp_path)


def test_without_a_command_everything_happens_in_order(script: Script) -> None:
    done = script.run()
    assert done.returncode == 0, done.stderr
    assert [call.split(" --summary-json")[0] for call in script.calls] == [
        "local_stack up",
        "deployment deploy",
        "local_stack env",
        "client send --orders 100",
        "client report --format csv --output build/reporte.csv",
    ]


def test_a_whole_run_shows_the_report_and_the_two_times(script: Script) -> None:
    told = script.run().stdout
    assert "2 orders" in told
    assert "1,aprobada" in told
    assert "From creating the functions to the first finished order: 2.5 s" in told
    assert "In total: " in told


LOCAL_ONLY = ("./deploy.sh kill", "./deploy.sh logs", "./deploy.sh down", "http://127.0.0.1:8081    the live page")


def test_what_to_try_next_is_what_can_be_done_there(script: Script) -> None:
    told = script.run().stdout
    assert all(command in told for command in (*LOCAL_ONLY, "./deploy.sh status"))
    script.answer({"deployment where": (0, "cluster\n")})
    told = script.run(**CLUSTER).stdout
    assert "./deploy.sh status" in told
    assert not any(command in told for command in LOCAL_ONLY)
    assert "http://cluster:8080/admin" in told


def test_an_order_that_is_not_accounted_for_is_the_exit_code_of_a_whole_run(script: Script) -> None:
    script.answer({"client send": (4, "")})
    done = script.run()
    assert done.returncode == 4
    assert "Not every order was accounted for" in done.stderr


def test_nothing_is_deployed_on_a_stack_that_does_not_start(script: Script) -> None:
    script.answer({"local_stack up": (1, "")})
    assert script.run().returncode == 1
    assert script.calls == ["local_stack up"]


@pytest.mark.parametrize(
    ("arguments", "call"),
    [
        (("up",), "local_stack up"),
        (("up", "--secure"), "local_stack up --secure"),
        (("prepare",), "deployment prepare"),
        (("deploy",), "deployment deploy\nlocal_stack api"),
        (("deploy", "ordenes", "pagos"), "deployment deploy ordenes pagos\nlocal_stack api"),
        (("scale", "ordenes", "2"), "deployment scale ordenes 2"),
        (("logs", "ordenes", "-f"), "deployment logs ordenes -f"),
        (("logs",), "deployment logs"),
        (("status",), "deployment status"),
        (("status", "--json"), "deployment status --json"),
        (("kill", "pagos"), "deployment kill pagos"),
        (("env",), "local_stack env"),
        (("down",), "local_stack down"),
        (("destroy",), "local_stack destroy"),
        (("destroy", "--yes"), "local_stack destroy --yes"),
    ],
)
def test_each_command_calls_its_programs(script: Script, arguments: tuple[str, ...], call: str) -> None:
    done = script.run(*arguments)
    assert done.returncode == 0, done.stderr
    assert script.calls == call.splitlines()


def test_a_cluster_of_the_users_is_deployed_to_and_never_started(script: Script) -> None:
    script.answer({"deployment where": (0, "cluster\n")})
    done = script.run(**CLUSTER)
    assert done.returncode == 0, done.stderr
    assert script.calls[0].startswith("deployment deploy")
    assert not [call for call in script.calls if call.startswith("local_stack")]


def test_on_a_secured_stack_the_roles_get_their_rights_before_anything_is_deployed(script: Script) -> None:
    (script.root / ".alpes" / "secrets").mkdir(parents=True)
    assert script.run().returncode == 0
    assert script.calls[:2] == ["local_stack up", "deployment prepare"]
    assert script.calls[2].startswith("deployment deploy")


@pytest.mark.parametrize("command", ["down", "destroy"])
def test_a_cluster_of_the_users_is_never_stopped(script: Script, command: str) -> None:
    script.answer({"deployment where": (0, "cluster\n")})
    done = script.run(command, **CLUSTER)
    assert done.returncode == 2
    assert "nothing was done" in done.stderr
    assert script.calls == []


@pytest.mark.parametrize("command", ["up", "down", "destroy", "status", "env"])
def test_an_environment_that_is_unclear_touches_nothing(script: Script, command: str) -> None:
    script.answer({"deployment where": (2, "")})
    assert script.run(command).returncode == 2
    assert script.calls == []


def test_the_environment_of_a_cluster_is_the_users_own(script: Script) -> None:
    script.answer({"deployment where": (0, "cluster\n")})
    named = {**CLUSTER, "PULSAR_ADMIN": "/somewhere/pulsar-admin", "PULSAR_MORE": "of-the-users-own"}
    lines = script.run("env", **named).stdout.splitlines()
    assert sorted(lines) == sorted(f"export {name}={value}" for name, value in named.items())


@pytest.mark.parametrize(
    ("word", "said"), [("stauts", "Did you mean 'status'?"), ("xyzzy", "There are: up plan deploy status")]
)
def test_an_unknown_command_is_told_with_the_nearest(script: Script, word: str, said: str) -> None:
    done = script.run(word)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert script.calls == []


@pytest.mark.parametrize(
    "arguments", [("up", "ordenes"), ("scale", "ordenes"), ("kill",), ("down", "now"), ("status", "--json", "x")]
)
def test_a_wrong_number_of_arguments_shows_the_commands_usage(script: Script, arguments: tuple[str, ...]) -> None:
    done = script.run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"Usage: ./deploy.sh {arguments[0]}")
    assert script.calls == []


@pytest.mark.parametrize("option", ["--help", "-h", "help"])
def test_help_names_every_command_and_needs_no_environment(script: Script, option: str) -> None:
    shutil.rmtree(script.root / ".venv")
    done = script.run(option)
    assert done.returncode == 0
    for command in ("up", "deploy", "status", "env", "scale", "logs", "kill", "down", "destroy"):
        assert f"\n  {command}" in done.stdout
    assert "exit code 3 when a part is not running" in done.stdout


def test_the_version_is_the_projects_and_needs_no_environment(script: Script) -> None:
    shutil.rmtree(script.root / ".venv")
    shutil.copy(ROOT / "pyproject.toml", script.root)
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    done = script.run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"alpes {version}\n", "")


@pytest.mark.parametrize(
    "line", ['{}: "{}"', "{}: '{}'  # it's quoted", "{}: {} # 'why'", '"{}" : "{}" # "why": so', "'{}':  {}  "]
)
def test_a_function_config_may_be_written_in_any_style(script: Script, line: str) -> None:
    usual = script.run("--help").stdout
    for config in function_configs.load(script.root / "function-configs").values():
        text = config.path.read_text()
        config.path.write_text(
            re.sub(r"(?m)\b(name|dsn_env): (\w+)$", lambda found: line.format(*found.groups()), text)
        )
        assert function_configs.load(config.path.parent)[config.name].values == config.values
    assert script.run("--help").stdout == usual


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize(
    "command", [("up",), ("deploy", "ordenes"), ("status",), ("env",), ("scale",), ("logs",), ("down",), ("destroy",)]
)
def test_help_after_a_command_does_nothing_else(script: Script, command: tuple[str, ...], option: str) -> None:
    done = script.run(*command, option)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ./deploy.sh [COMMAND]")
    assert script.calls == []


@pytest.mark.parametrize("orders", ["0", "-1", "1.5", "1e9", "nan", "2000001", "99999999999999999999", "many", "1 "])
def test_nothing_is_done_for_a_number_of_orders_that_cannot_be_sent(script: Script, orders: str) -> None:
    script.stamp.write_text("older\n")
    done = script.run(ALPES_ORDERS=orders)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"ALPES_ORDERS is '{orders}'; it must be a whole number from 1 to 2000000.\n"
    assert script.all_calls == []


@pytest.mark.parametrize("orders", ["1", "2000000"])
def test_the_fewest_and_the_most_orders_are_sent(script: Script, orders: str) -> None:
    assert script.run(ALPES_ORDERS=orders).returncode == 0
    assert any(call.startswith(f"client send --orders {orders} ") for call in script.calls)


@pytest.mark.parametrize("command", [(), ("up",)])
def test_the_machine_is_looked_at_before_packages_are_installed(script: Script, command: tuple[str, ...]) -> None:
    script.stamp.write_text("older\n")
    script.answer({"local_stack.precheck": (1, "")})
    assert script.run(*command).returncode == 1
    (looked,) = script.all_calls
    # It is told that the environment will be written to.
    assert looked.startswith(f"local_stack.precheck {script.root}/.venv")
    script.answer({})
    assert script.run(*command).returncode == 0
    assert script.all_calls[1:4] == [looked, "pip install", "pip install"]


@pytest.mark.parametrize(("command", "folders"), [((), " build"), (("up",), "")])
def test_the_folders_of_the_checkout_that_will_be_written_to_are_looked_at(
    script: Script, command: tuple[str, ...], folders: str
) -> None:
    script.run(*command)
    assert script.all_calls[0] == f"local_stack.precheck{folders}"


def test_packages_are_installed_only_when_their_lock_changed(script: Script) -> None:
    script.run("up")
    assert "pip install" not in script.calls
    script.stamp.write_text("older\n")
    script.run("up")
    assert script.calls.count("pip install") == 2  # the locked packages, then the project itself
    script.run("up")
    assert script.calls.count("pip install") == 2


def test_it_works_from_any_folder_and_through_a_path_with_spaces(tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    script = Script(folder)
    done = script.run("up")
    assert done.returncode == 0, done.stderr
    assert script.calls == ["local_stack up"]
