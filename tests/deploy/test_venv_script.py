"""Which Python the environment is made with, with stubs in place of the Pythons of a machine."""

import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# In place of a Python: what it is asked by scripts/venv.sh, it answers with what the test says.
STUB = """#!/bin/sh
case "$*" in
    "-c import ensurepip"*) echo "{executable}"; exit {unfit} ;;
    "-c import sys"*) exit {too_old} ;;
    *interpreter_speed.py) echo "{name}" >>"{timed}"; echo {nanoseconds} ;;
    "-m venv "*) echo "{name} makes it"; exit 1 ;;
esac
"""


@dataclass
class Machine:
    """A machine with the Pythons that a test puts there, and no other.

    Attributes
    ----------
    folder : Path
        Holds ``path``, all of the PATH, and ``system`` in place of ``/usr/bin``.
    """

    folder: Path

    def __post_init__(self) -> None:
        for name in ("path", "system", "elsewhere"):
            (self.folder / name).mkdir()
        for tool in ("dirname", "readlink"):
            (self.folder / "path" / tool).symlink_to(shutil.which(tool) or tool)

    def python(
        self, name: str, nanoseconds: int = 100, *, too_old: bool = False, no_venv: bool = False, shim_of: str = ""
    ) -> str:
        """Put a Python there, or another name of one, and return its path."""
        file = self.folder / name
        executable = self.folder / (shim_of or name)
        file.write_text(
            STUB.format(
                name=name,
                executable=executable,
                nanoseconds=nanoseconds,
                too_old=int(too_old),
                unfit=int(too_old or no_venv),
                timed=self.folder / "timed",
            )
        )
        file.chmod(0o755)
        return str(file)

    @property
    def timed(self) -> list[str]:
        """Which Pythons were timed, in order."""
        file = self.folder / "timed"
        return file.read_text().splitlines() if file.exists() else []

    def run(self, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        system = f'venv_pythons=("${{venv_pythons[@]/#\\/usr\\/bin/{self.folder}/system}}")'
        return subprocess.run(
            [
                shutil.which("bash") or "bash",
                "-c",
                f"set -euo pipefail; source {shlex.quote(str(ROOT))}/scripts/venv.sh; {system}; {command}",
            ],
            env={"PATH": str(self.folder / "path"), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def choose(self, **environment: str) -> "subprocess.CompletedProcess[str]":
        return self.run("venv_choose_python", **environment)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("nanoseconds", [86, 100, 300])
def test_the_first_python_is_taken_unless_another_is_clearly_quicker(machine: Machine, nanoseconds: int) -> None:
    first = machine.python("path/python3")
    machine.python("path/python3.12", nanoseconds)
    done = machine.choose()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{first}\n", "")
    assert machine.timed == ["path/python3", "path/python3.12"]


@pytest.mark.parametrize(
    "name", ["path/python3.13", "path/python3.12", "path/python3.11", "path/python", "system/python3"]
)
def test_a_python_that_is_clearly_quicker_is_taken_and_named(machine: Machine, name: str) -> None:
    first = machine.python("path/python3")
    quicker = machine.python(name, 69)
    done = machine.choose()
    assert (done.returncode, done.stdout) == (0, f"{quicker}\n")
    assert done.stderr == (
        f"The environment is made with {quicker}, which takes 31 % less time than {first}. "
        "ALPES_PYTHON=/path/to/python3 chooses another.\n"
    )


def test_of_several_that_are_quicker_the_quickest_is_taken(machine: Machine) -> None:
    machine.python("path/python3")
    machine.python("path/python3.13", 80)
    quickest = machine.python("path/python3.12", 60)
    machine.python("path/python3.11", 70)
    assert machine.choose().stdout == f"{quickest}\n"


def test_what_cannot_make_an_environment_is_neither_timed_nor_taken(machine: Machine) -> None:
    machine.python("path/python3", 1, too_old=True)
    machine.python("path/python3.13", 1, no_venv=True)
    (machine.folder / "path" / "python3.12").write_text("#!/bin/sh\nexit 127\n")  # a shim of nothing
    (machine.folder / "path" / "python3.12").chmod(0o755)
    fit = machine.python("path/python3.11")
    assert machine.choose().stdout == f"{fit}\n"
    assert machine.timed == ["path/python3.11"]


def test_a_python_with_several_names_is_timed_once(machine: Machine) -> None:
    real = machine.python("elsewhere/python3.11")
    for name in ("path/python3", "path/python"):
        machine.python(name, shim_of="elsewhere/python3.11")
    (machine.folder / "path" / "python3.11").symlink_to(real)
    assert machine.choose().stdout == f"{real}\n"
    assert machine.timed == ["elsewhere/python3.11"]


def test_the_python_that_is_named_is_taken_whatever_its_speed(machine: Machine) -> None:
    machine.python("path/python3", 1)
    named = machine.python("elsewhere/python", 1000)
    done = machine.choose(ALPES_PYTHON=named)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{named}\n", "")
    assert machine.timed == []


@pytest.mark.parametrize("exists", [True, False])
def test_no_other_is_taken_in_place_of_a_named_one_that_will_not_do(machine: Machine, exists: bool) -> None:
    machine.python("path/python3")
    named = machine.python("elsewhere/python", too_old=True) if exists else str(machine.folder / "nowhere")
    for command in ("venv_choose_python", "venv_ensure app"):
        done = machine.run(command, ALPES_PYTHON=named, ALPES_VENV=str(machine.folder / "venv"))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"ALPES_PYTHON names {named}, which is no Python 3.11 or later that runs." in done.stderr


def test_without_any_python_it_says_what_is_needed(machine: Machine) -> None:
    machine.python("path/python3", too_old=True)
    done = machine.choose()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Python 3.11 or later is needed and none was found.")


def test_where_none_can_make_an_environment_the_package_is_named(machine: Machine) -> None:
    machine.python("path/python3", no_venv=True)
    done = machine.run("venv_ensure app", ALPES_VENV=str(machine.folder / "venv"))
    assert done.returncode == 1
    assert "path/python3 makes it" in done.stderr
    assert "apt-get install python3-venv" in done.stderr
    assert machine.timed == []


def test_an_environment_is_made_with_the_chosen_one(machine: Machine) -> None:
    machine.python("path/python3")
    machine.python("path/python3.11", 70)
    done = machine.run("venv_ensure app", ALPES_VENV=str(machine.folder / "venv"))
    assert "path/python3.11 makes it" in done.stderr


def test_nothing_is_timed_where_an_environment_is_there(machine: Machine) -> None:
    machine.python("path/python3")
    machine.python("path/python3.11", 1)
    venv = machine.folder / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").write_text(f'#!/bin/sh\n[ "$1" = -m ] || exec {sys.executable} "$@"\n')
    (venv / "bin" / "python").chmod(0o755)
    lock = (ROOT / "requirements" / "app.txt").read_bytes()
    (venv / ".stamp-app").write_text(hashlib.sha256(lock).hexdigest() + "\n")
    done = machine.run("venv_ensure app", ALPES_VENV=str(venv), PATH=f"{machine.folder}/path:{os.environ['PATH']}")
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.timed == []


def test_a_python_of_this_machine_is_told_by_its_executable(machine: Machine) -> None:
    # From within an environment it is the one that the environment was made with, which outlives it.
    base = Path(getattr(sys, "_base_executable", sys.executable))
    (machine.folder / "path" / "python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (machine.folder / "path" / "python3").chmod(0o755)
    done = machine.choose()
    assert (done.returncode, done.stderr) == (0, "")
    assert Path(done.stdout.strip()).resolve() == base.resolve()


def test_the_speed_of_a_python_is_some_nanoseconds() -> None:
    command = [sys.executable, "-IS", str(ROOT / "scripts" / "interpreter_speed.py")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 1_000 < int(told) < 50_000_000
