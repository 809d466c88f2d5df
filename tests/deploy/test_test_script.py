"""The help of ./test.sh, and what it calls, with a stub in place of pytest."""

import hashlib
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTEST = '#!/bin/sh\necho "faults=${ALPES_FAULTS:-} $*"\ncase "$*" in *"${FAILS:-none}"*) exit 7 ;; esac\n'
CHECKS = ("mypy", "ruff", "lint-imports", "deptry")
SCRIPTS = tuple(f"scripts/{name}" for name in ("arguments.sh", "venv.sh", "audit.py", "find_secrets.sh"))
SIDE_BY_SIDE = "--dist loadscope --no-loadscope-reorder"
FIRST = f"faults= --numprocesses 4 {SIDE_BY_SIDE} -m not extended\n"
MEASURED = "faults= -m extended and bench\n"
REST = f"faults= --numprocesses 3 {SIDE_BY_SIDE} -m extended and not bench\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has the script but no environment."""
    for name in ("test.sh", "requirements/check.sh", "requirements/dev.txt", *SCRIPTS):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def environment(checkout: Path) -> Path:
    """The same with a current environment, and a pytest that prints its arguments."""
    folder = checkout / ".venv" / "bin"
    folder.mkdir(parents=True)
    check = '#!/bin/sh\n[ "$(basename "$0")" != "${WRONG:-}" ] || { echo "this is wrong"; exit 1; }\n'
    python = f'#!/bin/sh\nexec {sys.executable} "$@"\n'
    programs = {"python": python, "pytest": PYTEST} | dict.fromkeys(
        ("docker-compose", "chromium", "pg_lsclusters", "pip-audit"), "#!/bin/sh\n"
    )
    for name, text in (programs | dict.fromkeys(CHECKS, check)).items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    lock = (checkout / "requirements" / "dev.txt").read_bytes()
    (checkout / ".venv" / ".stamp-dev").write_text(hashlib.sha256(lock).hexdigest() + "\n")
    return checkout


def run(checkout: Path, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALPES_")} | environment
    command = ["bash", str(checkout / "test.sh"), *arguments]
    return subprocess.run(command, env=kept, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], ["faults", "--help"], ["tests/unit", "-h"]])
def test_help_says_what_there_is_and_installs_nothing(checkout: Path, arguments: list[str]) -> None:
    done = run(checkout, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ./test.sh\n")
    for form in ("./test.sh ", "./test.sh all ", "./test.sh PATH…", "./test.sh faults"):
        assert f"\n  {form}" in done.stdout
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["tests/unit", "-k", "retry"], "faults= tests/unit -k retry\n"),
        (["faults"], "faults=long tests/faults\n"),
        (["faults", "-x"], "faults=long tests/faults -x\n"),
        (["cluster", "-x"], "faults= tests/cluster -x\n"),
    ],
)
def test_with_arguments_pytest_alone_is_called(environment: Path, arguments: list[str], called: str) -> None:
    done = run(environment, *arguments)
    assert (done.returncode, done.stdout) == (0, called), done.stderr


@pytest.mark.parametrize(("arguments", "called"), [([], [FIRST]), (["all"], [FIRST, MEASURED, REST])])
def test_without_a_path_the_checks_come_first_and_all_goes_on_with_what_is_extended(
    environment: Path, arguments: list[str], called: list[str]
) -> None:
    done = run(environment, *arguments)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()[:7]) == [
        "ok      dependencies",
        "ok      format",
        "ok      imports",
        "ok      ruff",
        "ok      types",
        "skipped secrets: this is no git checkout",
        "skipped vulnerabilities: no database of vulnerabilities answers (pip-audit said nothing)",
    ]
    assert done.stdout.splitlines(keepends=True)[7:] == called


@pytest.mark.parametrize(
    ("fails", "called"),
    [("not extended", [FIRST]), ("and bench", [FIRST, MEASURED]), ("and not bench", [FIRST, MEASURED, REST])],
)
def test_the_part_that_fails_is_the_last_and_gives_its_exit_code(
    environment: Path, fails: str, called: list[str]
) -> None:
    done = run(environment, "all", FAILS=fails)
    assert done.returncode == 7
    assert done.stdout.splitlines(keepends=True)[7:] == called


@pytest.mark.parametrize("wrong", CHECKS)
def test_while_a_check_fails_no_test_is_run(environment: Path, wrong: str) -> None:
    done = run(environment, WRONG=wrong)
    assert done.returncode == 1
    assert "this is wrong" in done.stdout
    assert done.stdout.endswith("No test was run: fix the failed checks first.\n")
    assert "faults=" not in done.stdout


def test_every_test_is_in_one_part_of_all_and_in_no_other(environment: Path) -> None:
    parts = [line.partition(" -m ")[2] for line in run(environment, "all").stdout.splitlines()[7:]]
    for extended, bench in product((False, True), repeat=2):
        marks = {"extended": extended, "bench": bench}
        assert [eval(part, {}, marks) for part in parts].count(True) == 1, marks  # noqa: S307 -- the script's own
