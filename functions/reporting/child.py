"""Runs the process that makes a report: with the lowest priority, and within bounds of memory and time."""

import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import alpes_runtime
import alpes_wire

from . import folders
from .making.frames import Frame, Frames, Kind, Unframed
from .making.request import Request

PROGRAM = "functions.reporting.making"
SILENT_S = 300.0
"""A process that says nothing for this long is given up: what it computes before the first row is faster."""
LOOK_S = 0.5
ENDS_S = 5.0
"""A process that closed its output ends within this time, or is given up."""
READ_BYTES = 1 << 18
LOWEST = 19
TOLD_BYTES = 4_000
"""Last bytes of the process's own words that are kept, for the log."""


class GivenUp(Exception):
    """The report isn't made: answer with this reason. `told` is what the process said itself, for the log."""

    def __init__(self, reason: str, told: str = "") -> None:
        super().__init__(reason)
        self.told = told


class DatabaseAway(Exception):
    """The report can't be made now: ask for it again later."""


class Stopped(Exception):
    """The instance ends: the command comes again."""


@dataclass(frozen=True)
class Limits:
    """What the process of a report may use.

    Parameters
    ----------
    seconds
        How long it may take.
    memory_mb
        Most memory of its own, in MB.
    silent_s
        How long it may say nothing, in seconds.
    """

    seconds: float
    memory_mb: int
    silent_s: float = SILENT_S


def frames(request: Request, limits: Limits, stopping: Callable[[], bool], program: str = PROGRAM) -> Iterator[Frame]:
    """Yield what the process says, up to the frame that ends the report.

    The process ends with the iteration, and so does all that it started in its process group.
    While it may still be silent, `Kind.ALIVE` comes in its place. Its temporary files go with it.

    Parameters
    ----------
    request
        The report.
    limits
        What it may use.
    stopping
        Whether the instance is to end.
    program
        The module that is run.

    Raises
    ------
    GivenUp
        It failed, died, took too long, or said nothing for too long; or there is no place for its temporary files.
    Stopped
        The instance ends.
    """
    with ExitStack() as held:
        try:
            folder = held.enter_context(folders.folder())
        except OSError as error:
            raise GivenUp(
                f"its instance can't make a temporary folder in {tempfile.gettempdir()}: {error.strerror}"
            ) from error
        yield from _said(request, limits, stopping, program, folder)


def _said(
    request: Request, limits: Limits, stopping: Callable[[], bool], program: str, folder: folders.Folder
) -> Iterator[Frame]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": _paths(), "TMPDIR": folder.path},
        pass_fds=[folder.lock],
        # Linux shares the processors among sessions first (sched(7), autogroup): a priority counts within one alone.
        start_new_session=True,
        bufsize=0,
    )
    try:
        _bound(process.pid, limits)
        yield from _Conversation(process, request, limits, stopping).frames()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
        process.wait()


def _paths() -> str:
    """Return where the process finds our code and its packages: where this function found them."""
    own = [Path(__file__).parents[2], Path(alpes_runtime.__path__[0]).parent, Path(alpes_wire.__path__[0]).parent]
    if (own[0].parent / "deps").is_dir():
        # The zip brought the packages: Pulsar has installed them beside it.
        own.append(own[0].parents[1])
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return os.pathsep.join(dict.fromkeys([*map(str, own), *filter(None, inherited)]))


def _bound(pid: int, limits: Limits) -> None:
    """Leave the machine to the events: the process runs when nothing else wants to."""
    with suppress(ProcessLookupError):
        os.setpriority(os.PRIO_PROCESS, pid, LOWEST)
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(LOWEST))
        if hasattr(os, "SCHED_IDLE"):
            with suppress(PermissionError):
                os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0))
        if hasattr(resource, "prlimit"):
            most = limits.memory_mb * 1_000_000
            resource.prlimit(pid, resource.RLIMIT_DATA, (most, most))


class _Conversation:
    def __init__(
        self, process: subprocess.Popen[bytes], request: Request, limits: Limits, stopping: Callable[[], bool]
    ) -> None:
        if process.stdin is None or process.stdout is None or process.stderr is None:
            raise ValueError("the process has no pipes")
        self._process = process
        self._stdin, self._stdout, self._stderr = process.stdin, process.stdout, process.stderr
        self._deadline = time.monotonic() + limits.seconds
        self._request = request
        self._limits = limits
        self._stopping = stopping
        self._words: deque[bytes] = deque(maxlen=8)

    def frames(self) -> Iterator[Frame]:
        parser = Frames()
        with selectors.DefaultSelector() as selector:
            for pipe in (self._stdout, self._stderr):
                selector.register(pipe, selectors.EVENT_READ)
            with suppress(BrokenPipeError):
                self._stdin.write(self._request.encoded())
            heard = time.monotonic()
            while True:
                ready = [key.fileobj for key, _ in selector.select(LOOK_S)]
                self._require_time()
                if self._stderr in ready and not self._listen():
                    selector.unregister(self._stderr)
                if self._stdout not in ready:
                    if time.monotonic() - heard > self._limits.silent_s:
                        raise self._given_up(f"it did nothing for {self._limits.silent_s:g} s")
                    yield Frame(Kind.ALIVE)
                    continue
                for frame in self._read(parser):
                    yield frame
                    if frame.kind >= Kind.WHOLE:
                        return
                heard = time.monotonic()

    def _require_time(self) -> None:
        if self._stopping():
            raise Stopped
        if time.monotonic() > self._deadline:
            raise self._given_up(
                f"it took longer than {self._limits.seconds:g} s: ask for a shorter period, or raise report_seconds in "
                "Reporting's userConfig"
            )

    def _read(self, parser: Frames) -> Iterator[Frame]:
        data = os.read(self._stdout.fileno(), READ_BYTES)
        if not data:
            raise self._given_up(self._how_it_ended())
        try:
            found = parser.add(data)
        except Unframed as error:
            raise self._given_up(f"its process is of another version: {error}") from error
        for frame in found:
            if frame.kind is Kind.FAILED:
                raise self._given_up(frame.data.decode())
            yield frame

    def _listen(self) -> bool:
        data = os.read(self._stderr.fileno(), TOLD_BYTES)
        self._words.append(data)
        return bool(data)

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(ENDS_S)
        except subprocess.TimeoutExpired:
            return "its process closed its output before the report was whole, and went on"
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        return f"its process {how} before the report was whole"

    def _given_up(self, reason: str) -> GivenUp:
        return GivenUp(reason, b"".join(self._words)[-TOLD_BYTES:].decode(errors="replace"))
