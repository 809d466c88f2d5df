"""What ./test.sh says of itself, and what it calls, with a stub in place of pytest."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTEST = '#!/bin/sh\necho "faults=${ALPES_FAULTS:-} $*"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has the script, and no environment."""
    for name in ("test.sh", "scripts/arguments.sh", "scripts/venv.sh", "requirements/dev.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def environment(checkout: Path) -> Path:
    """The same with an environment that is current, and a pytest that says what it was called with."""
    folder = checkout / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name, text in (("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n'), ("pytest", PYTEST)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    lock = (checkout / "requirements" / "dev.txt").read_bytes()
    (checkout / ".venv" / ".stamp-dev").write_text(hashlib.sha256(lock).hexdigest() + "\n")
    return checkout


def run(checkout: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALPES_")}
    command = ["bash", str(checkout / "test.sh"), *arguments]
    return subprocess.run(command, env=kept, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"], ["faults", "--help"], ["tests/unit", "-h"]])
def test_help_says_what_there_is_and_installs_nothing(checkout: Path, arguments: list[str]) -> None:
    done = run(checkout, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Usage: ./test.sh [PYTEST ARGUMENT…]\n")
    for form in ("./test.sh ", "./test.sh PATH…", "./test.sh faults"):
        assert f"\n  {form}" in done.stdout
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("arguments", "called"),
    [
        (["tests/unit", "-k", "retry"], "faults= tests/unit -k retry\n"),
        (["faults"], "faults=long tests/faults\n"),
        (["faults", "-x"], "faults=long tests/faults -x\n"),
    ],
)
def test_with_arguments_pytest_alone_is_called(environment: Path, arguments: list[str], called: str) -> None:
    done = run(environment, *arguments)
    assert (done.returncode, done.stdout) == (0, called), done.stderr
