"""Starts processes that outlive this one, finds them again and stops them, and never another process."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from local_stack.errors import StartError

POLL_S = 0.05
READY_POLL_S = 0.1


def _identity(pid: int) -> str | None:
    """Return what tells this process from a later one with the same PID; None if it has ended or is a zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    # Linux: the start in ticks since boot, and the boot. Setting the clock changes neither.
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{fields[19]}@{boot}"
    try:
        return f"{process.create_time():.0f}"
    except psutil.NoSuchProcess:
        return None


@dataclass(frozen=True)
class PidFile:
    """A file that names one process that this stack started."""

    path: Path

    def running(self) -> int | None:
        """Return the PID in the file while that very process runs."""
        try:
            note = json.loads(self.path.read_text())
            pid, identity = int(note["pid"]), str(note["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if _identity(pid) == identity else None

    def write(self, pid: int) -> None:
        """Write process `pid` to the file."""
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps({"pid": pid, "identity": _identity(pid)}))
        temporary.replace(self.path)

    def clear(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def find(pid_file: PidFile, is_it: Callable[[list[str]], bool]) -> int | None:
    """Return the PID of a running process that this stack started, None if there is none.

    Parameters
    ----------
    pid_file : PidFile
        Its file. A run that was killed may not have written it: it is written here then.
    is_it : callable
        Recognizes the process by its command line.
    """
    pid = pid_file.running()
    if pid is not None:
        return pid
    for process in psutil.process_iter(["cmdline"]):
        if is_it(process.info["cmdline"] or []):
            pid_file.write(process.pid)
            return process.pid
    return None


def start_detached(
    command: Sequence[str | Path],
    *,
    pid_file: PidFile,
    log: Path,
    environ: Mapping[str, str],
    user: str | None = None,
    cwd: Path = Path("/"),
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, with its output in a file, and write its PID file.

    Parameters
    ----------
    command : sequence
        The program and its arguments.
    pid_file : PidFile
        Its PID file.
    log : Path
        The file to which its output is appended.
    environ : mapping
        Its whole environment.
    user : str, optional
        The user to run it as; needs root.
    cwd : Path
        Its working directory.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environ),
            cwd=cwd,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            start_new_session=True,
        )
    pid_file.write(process.pid)
    return process


def wait_ready(
    name: str,
    pid_file: PidFile,
    is_ready: Callable[[], bool],
    *,
    within_s: float,
    logs: Sequence[Path],
    meanwhile: Callable[[], None] = lambda: None,
) -> None:
    """Wait until a part that was started is ready.

    Parameters
    ----------
    name : str
        What a person calls it.
    pid_file : PidFile
        Its PID file.
    is_ready : callable
        Whether it is ready now.
    within_s : float
        The longest wait, in seconds.
    logs : sequence of Path
        Where it may say why it isn't: the first that says anything is quoted, and the last is named.
    meanwhile : callable
        Called after every check.

    Raises
    ------
    local_stack.errors.StartError
        It ended, or was not ready in time.
    """
    deadline = time.monotonic() + within_s
    while not is_ready():
        ended = pid_file.running() is None
        if ended or time.monotonic() > deadline:
            what = "ended" if ended else f"was not ready after {within_s:.0f} s"
            words = next((said for said in map(tail, logs) if said), "")
            raise StartError(f"{name} {what}. Its log is {logs[-1]}; the last lines:\n{words}")
        meanwhile()
        time.sleep(READY_POLL_S)


def wait_gone(pids: Sequence[int], seconds: float) -> list[int]:
    """Wait up to `seconds` until the processes have ended; return those that have not."""
    identities = {pid: _identity(pid) for pid in pids}
    deadline = time.monotonic() + seconds
    while True:
        for pid in list(identities):
            # A child of this process stays a zombie until it is waited for.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if identities[pid] is None or _identity(pid) != identities[pid]:
                del identities[pid]
        if not identities or time.monotonic() > deadline:
            return list(identities)
        time.sleep(POLL_S)


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to each process that still runs."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def stop(pid_file: PidFile, steps: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Stop the process of a PID file, gracefully first.

    Parameters
    ----------
    pid_file : PidFile
        Its file, removed afterwards.
    steps : sequence of (signal, seconds)
        Signals to send, and how long to wait for the end after each.

    Returns
    -------
    bool
        Whether the process was running.
    """
    pid = pid_file.running()
    if pid is not None:
        for number, seconds in steps:
            send([pid], number)
            if not wait_gone([pid], seconds):
                break
    pid_file.clear()
    return pid is not None


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log, for an error message."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    return ""
