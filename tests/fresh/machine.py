"""A stand-in for a machine without this project: an empty folder, an empty home, and perhaps another user."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests import checkouts

OURS = ("ALPES_", "PULSAR_", "PYTHON", "VIRTUAL_ENV", "XDG_", "PIP_CACHE_DIR", "PYTEST_", "COV_")
"""Prefixes of variables that a newcomer hasn't set. Those of a proxy stay, since they lead to the network."""
NOBODY = "nobody"
"""A user that every machine has."""


def pythons() -> list[str]:
    """Return the oldest Python of each minor version from 3.11 on that this machine has, the oldest first."""
    oldest: dict[tuple[int, ...], str] = {}
    for version, path in sorted(releases().items()):
        oldest.setdefault(version[:2], path)
    return list(oldest.values())


def releases() -> dict[tuple[int, ...], str]:
    """Return one Python for each release from 3.11 on, by release."""
    found: dict[tuple[int, ...], str] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates = ["/usr/bin/python3", *(f"/usr/bin/python3.{minor}" for minor in range(11, 20))]
    candidates += map(str, sorted(pyenv.glob("3.*/bin/python3")))
    # The tests' own environment is no Python of the machine.
    folders = [Path(part) for part in os.environ["PATH"].split(os.pathsep) if not part.startswith(sys.prefix)]
    candidates += [str(file) for folder in folders for file in sorted(folder.glob("python3.1[0-9]"))]
    for candidate in (*candidates, os.path.realpath(sys.executable)):
        show = "import sys, venv, ensurepip; print(*sys.version_info[:3])"
        with suppress(OSError):
            done = subprocess.run([candidate, "-c", show], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                found.setdefault(tuple(map(int, done.stdout.split())), candidate)
    return {version: path for version, path in found.items() if version >= (3, 11)}


class Machine:
    """A copy of the checkout in an empty folder, and an empty home beside it.

    Parameters
    ----------
    folder
        Where both are.
    name
        What the checkout's folder is called.
    python
        The Python that is to be used; None leaves the choice to the script, as a newcomer does.
    user
        Whose it is and who runs what is run; None for who runs the tests.
    """

    def __init__(self, folder: Path, name: str, python: str | None, user: str | None = None) -> None:
        self.checkout = checkouts.copy(folder / name)
        self.home = folder / "home"
        self.home.mkdir()
        self._user = pwd.getpwnam(user) if user else None
        if self._user:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, self._user.pw_uid, self._user.pw_gid, follow_symlinks=False)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
        programs = [part for part in kept["PATH"].split(os.pathsep) if not part.startswith(sys.prefix)]
        self.environment = {**kept, **checkouts.JVM, "HOME": str(self.home), "PATH": os.pathsep.join(programs)}
        if python is not None:
            self.environment["ALPES_PYTHON"] = python

    def begin(self, *command: str, output: int = subprocess.PIPE) -> "subprocess.Popen[str]":
        """Start a command of the checkout, as the leader of a process group of its own."""
        return subprocess.Popen(
            [str(self.checkout / command[0]), *command[1:]],
            env=self.environment,
            cwd=self.home,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=self._user.pw_uid if self._user else None,
            group=self._user.pw_gid if self._user else None,
            extra_groups=[] if self._user else None,
        )

    def run(self, *command: str, seconds: float = 600) -> tuple[int, str]:
        """Run a command of the checkout; return its exit code and what it prints."""
        process = self.begin(*command)
        try:
            output, _ = process.communicate(timeout=seconds)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output

    @property
    def keeps_data_elsewhere(self) -> bool:
        """Whether PostgreSQL, which refuses root, has its data outside of the checkout."""
        return is_root() and self._user is None

    def processes(self) -> list[psutil.Process]:
        """Return the processes that run from the checkout or on its data."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = [process.cwd(), *process.cmdline()]
                if any(str(self.checkout) in word for word in words):
                    found.append(process)
        return found

    def wait_for_none(self, seconds: float = 30) -> list[list[str]]:
        """Wait until none of its processes runs; return the command lines of those that still do."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return [process.cmdline() for process in left]


@contextmanager
def machine(python: str | None, name: str = "alpes", user: str | None = None) -> Iterator[Machine]:
    """Make a machine, and remove all of it afterwards."""
    # Not pytest's temporary folder: other users can't look into that.
    folder = Path(tempfile.mkdtemp(prefix="alpes-fresh-")).resolve()
    folder.chmod(0o755)
    made = Machine(folder, name, python, user)
    try:
        yield made
    finally:
        if (made.checkout / ".alpes").exists():
            made.run("deploy.sh", "destroy", "--yes")
        for process in made.processes():
            with suppress(psutil.Error):
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def is_root() -> bool:
    """Whether the tests may act as any user."""
    return os.geteuid() == 0


def said_in_order(output: str, parts: Sequence[str]) -> bool:
    """Whether the output has these parts, one after another."""
    at = 0
    for part in parts:
        at = output.find(part, at)
        if at < 0:
            return False
    return True
