"""Starts processes that outlive this one, finds them again and ends them, never anybody else's."""

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

POLL_SECONDS = 0.05


def _identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None when there is none (a zombie is none)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.NoSuchProcess:
        return None
    # Linux: ticks since boot and which boot, which a clock that is set does not change.
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
    """The note of one process that this stack started."""

    path: Path

    def running(self) -> int | None:
        """The noted process's number while that very process runs."""
        try:
            note = json.loads(self.path.read_text())
            pid, identity = int(note["pid"]), str(note["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return pid if _identity(pid) == identity else None

    def write(self, pid: int) -> None:
        """Note process `pid`."""
        temporary = self.path.with_suffix(".new")
        temporary.write_text(json.dumps({"pid": pid, "identity": _identity(pid)}))
        temporary.replace(self.path)

    def clear(self) -> None:
        """Forget the process."""
        self.path.unlink(missing_ok=True)


def find(pid_file: PidFile, is_it: Callable[[list[str]], bool]) -> int | None:
    """The noted process while it runs, or one that a run was killed before it could note.

    Parameters
    ----------
    pid_file : PidFile
        The note, which is written where it was missing.
    is_it : callable
        Tells the process from all others by its command line.
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
    """Start a process in a session of its own, with its output in a file, and note it.

    Parameters
    ----------
    command : sequence
        The program and its arguments.
    pid_file : PidFile
        Where it is noted.
    log : Path
        Takes its output, at the end of what is there.
    environ : mapping
        Its whole environment.
    user : str, optional
        Whom to run it as; needs root.
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


def wait_gone(pids: Sequence[int], seconds: float) -> list[int]:
    """Wait until the processes have ended; returns those that have not within `seconds`."""
    identities = {pid: _identity(pid) for pid in pids}
    deadline = time.monotonic() + seconds
    while True:
        for pid in list(identities):
            # A child of ours stays a zombie until somebody asks for its result.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if identities[pid] is None or _identity(pid) != identities[pid]:
                del identities[pid]
        if not identities or time.monotonic() > deadline:
            return list(identities)
        time.sleep(POLL_SECONDS)


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def stop(pid_file: PidFile, steps: Sequence[tuple[signal.Signals, float]]) -> bool:
    """End the noted process, gently first.

    Parameters
    ----------
    pid_file : PidFile
        Its note, cleared afterwards.
    steps : sequence of (signal, seconds)
        What to send, and how long to wait for the end before the next one.

    Returns
    -------
    bool
        Whether there was one to end.
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
    """The last lines of a log, for a message about what went wrong."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8000))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    return ""
