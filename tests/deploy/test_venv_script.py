"""Which Python the environment is made with, with stubs in place of the Pythons of a machine."""

import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Stands in for a Python: it answers the questions of scripts/venv.sh as the test says.
STUB = """#!/bin/sh
case "$*" in
    "-c import ensurepip"*) echo "{executable}"; exit {unfit} ;;
    "-c import sys"*) exit {too_old} ;;
    *interpreter_speed.py) {times}; echo "{name}" >>"{timed}"; echo {nanoseconds} ;;
    "-m venv "*) {makes}; echo "{name} makes it"; exit 1 ;;
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
        for tool in ("dirname", "mkdir", "readlink"):
            (self.folder / "path" / tool).symlink_to(shutil.which(tool) or tool)

    def python(
        self,
        name: str,
        nanoseconds: int = 100,
        *,
        too_old: bool = False,
        no_venv: bool = False,
        shim_of: str = "",
        makes: str = ":",
        times: str = ":",
    ) -> str:
        """Add a Python, or another name for one, and return its path."""
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
                makes=makes,
                times=times,
            )
        )
        file.chmod(0o755)
        return str(file)

    @property
    def timed(self) -> list[str]:
        """Which Pythons were timed, in order."""
        file = self.folder / "timed"
        return file.read_text().splitlines() if file.exists() else []

    def begin(self, command: str, **environment: str) -> "subprocess.Popen[str]":
        system = f'venv_pythons=("${{venv_pythons[@]/#\\/usr\\/bin/{self.folder}/system}}")'
        return subprocess.Popen(
            [
                shutil.which("bash") or "bash",
                "-c",
                f"set -euo pipefail; source {shlex.quote(str(ROOT))}/scripts/venv.sh; {system}; {command}",
            ],
            env={"PATH": str(self.folder / "path"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        process = self.begin(command, **environment)
        output, error = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, output, error)

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
        assert (done.returncode, done.stdout) == (2, "")
        assert f"ALPES_PYTHON is {named}, which is not a working Python 3.11 or later." in done.stderr


def test_without_any_python_it_says_what_is_needed(machine: Machine) -> None:
    machine.python("path/python3", too_old=True)
    done = machine.choose()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Python 3.11 or later is needed and none was found.")


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (
            "/x/python: No module named ensurepip",
            "it has no ensurepip. On Debian and Ubuntu: apt-get install python3-venv",
        ),
        ("OSError: [Errno 28] No space left on device", "the disk is full."),
        ("Error: [Errno 13] Permission denied: '/x'", "Error: [Errno 13] Permission denied: '/x'"),
    ],
)
def test_where_no_environment_can_be_made_the_cause_is_one_line(machine: Machine, said: str, cause: str) -> None:
    machine.python("path/python3", no_venv=True, makes=f'echo Traceback; echo "{said}"; exit 1')
    venv = machine.folder / "venv"
    done = machine.run("venv_ensure app", ALPES_VENV=str(venv))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Making the environment {venv} …\nNo virtual environment could be made in {venv} with python3: {cause}\n"
    )
    assert machine.timed == []


@pytest.mark.parametrize("during", ["making", "choosing"])
def test_an_interrupt_while_an_environment_is_made_leaves_no_traceback(machine: Machine, during: str) -> None:
    # As a Python does, it tells where it was, and ends by the signal.
    begun = machine.folder / "begun"
    slow = f"{sys.executable} -c 'import pathlib, time; pathlib.Path(\"{begun}\").touch(); time.sleep(60)'"
    if during == "making":
        machine.python("path/python3", makes=slow)
    else:
        machine.python("path/python3", times=slow)
    process = machine.begin("venv_ensure app", ALPES_VENV=str(machine.folder / "venv"))
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    output, error = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGINT
    assert (output, error) == ("", f"Making the environment {machine.folder}/venv …\n")


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


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout that has its environment, with stubs in place of the installed packages."""
    root = tmp_path / "checkout"
    for name in ("alpes", "scripts/venv.sh", "requirements/app.txt"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    (root / "client").mkdir()
    (root / "client" / "__init__.py").touch()
    (root / "client" / "__main__.py").write_text("import sys\nprint(__file__, *sys.argv[1:])\n")
    programs = root / ".venv" / "bin"
    programs.mkdir(parents=True)
    python = programs / "python"
    python.write_text(f'#!/bin/sh\n[ "$1 $2" = "-m pip" ] || exec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    (programs / "pip").write_text(f"#!{python}\n")
    done = _in_checkout(root, "venv_ensure app")
    assert done.returncode == 0, done.stderr
    return root


def _in_checkout(root: Path, command: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ALPES_")}
    return subprocess.run(
        ["bash", "-c", f"set -euo pipefail; source {shlex.quote(str(root))}/scripts/venv.sh; {command}"],
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_next_run_waits_for_the_pip_of_one_whose_script_was_killed(checkout: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f"""#!/bin/sh
case "$*" in
    "-m pip install "*) echo begins >>"{log}"; [ -e "{log}.2" ] || sleep 4; touch "{log}.2"; echo ends >>"{log}" ;;
    "-m pip "*) ;;
    *) exec {shlex.quote(sys.executable)} "$@" ;;
esac
""")
    (checkout / ".venv" / ".stamp-app").write_text("older\n")
    command = f"set -euo pipefail; source {shlex.quote(str(checkout))}/scripts/venv.sh; venv_ensure app; true"
    first = subprocess.Popen(["bash", "-c", command], stderr=subprocess.DEVNULL)
    while not log.exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.kill()
    first.wait()
    done = _in_checkout(checkout, "venv_ensure app")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("Waiting for another run that installs packages …\nInstalling the packages")
    assert log.read_text().split() == ["begins", "ends"] * 3
    # Nothing holds the lock any more, and nothing waits.
    assert _in_checkout(checkout, "venv_ensure app").stderr == ""


def test_a_folder_that_cannot_be_made_is_one_line(machine: Machine) -> None:
    machine.python("path/python3")
    done = machine.run("venv_ensure app", ALPES_VENV="/proc/venv")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("No virtual environment could be made: mkdir: ")
    assert done.stderr.count("\n") == 1


def test_the_command_still_runs_when_the_checkout_was_moved(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("a moved one"))
    done = subprocess.run(
        [str(moved / ".venv" / "bin" / "alpes"), "send", "--help"],
        env={name: value for name, value in os.environ.items() if not name.startswith("ALPES_")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{moved}/client/__main__.py send --help\n"


def test_a_command_that_leads_to_a_checkout_that_is_gone_is_replaced(checkout: Path) -> None:
    command = checkout / ".venv" / "bin" / "alpes"
    command.unlink()
    command.symlink_to(checkout.with_name("gone") / "alpes")
    python = checkout / ".venv" / "bin" / "python"
    # pip writes its own launcher there first, through a link if there is one.
    python.write_text(f"""#!/bin/sh
case "$*" in
    "-m pip install "*--editable*) : >{shlex.quote(str(command))} || exit 1 ;;
    "-m pip "*) ;;
    *) exec {shlex.quote(sys.executable)} "$@" ;;
esac
""")
    (checkout / ".venv" / ".stamp-app").write_text("older\n")
    done = _in_checkout(checkout, "venv_ensure app")
    assert done.returncode == 0, done.stderr
    assert command.resolve() == checkout / "alpes"


def test_an_environment_has_moved_with_its_checkout_and_not_by_another_name_of_it(checkout: Path) -> None:
    link = checkout.with_name("link")
    link.symlink_to(checkout)
    for path in (checkout, link):
        assert _in_checkout(path, "venv_has_moved").returncode == 1
    assert _in_checkout(checkout.rename(checkout.with_name("moved")), "venv_has_moved").returncode == 0


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full."),
        ("OSError: [Errno 122] Disk quota exceeded", "the disk is full."),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            "a package differs from the locked one. Try again; if this repeats, don't use it.",
        ),
        (
            "connection broken by 'ProxyError('Cannot connect to proxy.', NewConnectionError(…))'",
            "the proxy http://proxy:1 can't be reached. Correct HTTPS_PROXY, or unset it.",
        ),
        (
            "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] …'))",
            (
                "this machine does not trust the authority that signed the package index's certificate, which may be a"
                " proxy's. Name the authority's certificate file with PIP_CERT."
            ),
        ),
        *(
            (
                f"connection broken by '{problem}'\nERROR: No matching distribution found for x",
                "no connection to the package index. Check the network; behind a proxy, name it with HTTPS_PROXY.",
            )
            for problem in ("NewConnectionError(…)", "NameResolutionError(…)", "ReadTimeoutError('Read timed out.')")
        ),
        (
            "warning\nERROR: No matching distribution found for x\nERROR: more",
            "ERROR: No matching distribution found for x",
        ),
        ("a traceback\nMemoryError", "MemoryError"),
        ("ERROR: Exception:\nTraceback\nMemoryError", "MemoryError"),
    ],
)
def test_the_cause_of_a_failed_installation_is_one_line(machine: Machine, said: str, cause: str) -> None:
    done = machine.run(
        f"venv_pip_cause {shlex.quote(said)}",
        HTTPS_PROXY="http://proxy:1",
        PATH=f"{machine.folder}/path:{os.environ['PATH']}",
    )
    assert (done.returncode, done.stdout) == (0, f"{cause}\n")
