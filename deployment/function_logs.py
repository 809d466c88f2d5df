"""Reads the logs of a local stack's function instances: shows them together, and finds why an instance failed."""

import os
import re
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from connection import functions
from connection.admin import Admin
from deployment.errors import FunctionFailedError
from deployment.function_configs import PulsarFunctionConfig
from local_stack.settings import Settings

TAIL_BYTES = 65_536
POLL_S = 0.2
ERROR_LEVELS = ("[ERROR]", "[CRITICAL]")
# How a record begins. A line that begins otherwise belongs to the record before it.
RECORD = re.compile(r"\[(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4})\] \[\w+\] ")
# The lines that Pulsar's Python instance itself writes at each start and end. `logs` leaves out these and no others.
PULSARS_OWN = re.compile(
    RECORD.pattern
    + r"(?:python_instance_main\.py: (?:Starting Python instance with |Interrupted by \d+, shutting down$)"
    r"|python_instance\.py: (?:Failed to load the crypto key reader from spec: , |Closing python instance\.\.\.$)"
    r"|server\.py: Serving InstanceCommunication on port \d+$)"
)


def files(function: str, settings: Settings) -> list[Path]:
    """Return the logs of a function (``tenant/namespace/name``), one for each instance."""
    name = function.rpartition("/")[2]
    return sorted((settings.function_logs / function).glob(f"{name}-*.log"))


class Line(NamedTuple):
    """A line of a log.

    Attributes
    ----------
    at : str
        When its record was written, as the log says it; these texts sort by time.
    instance : str
        The function and the instance's number, such as ``pagos-0``.
    text : str
        The line.
    """

    at: str
    instance: str
    text: str


@dataclass
class _Log:
    """A log file that is read in steps: each step goes on where the one before ended."""

    path: Path
    offset: int = 0
    inode: int = 0
    at: str = ""
    rest: bytes = field(default=b"", repr=False)

    def read(self) -> list[Line]:
        """Return the complete lines that were written since the last call."""
        # A full log is renamed to <name>.1, and a new file takes its place: read the rest of the old file first.
        data = b"".join(self._read(path) for path in (self.path.with_name(f"{self.path.name}.1"), self.path))
        *whole, self.rest = (self.rest + data).split(b"\n")
        return [self._line(text) for text in whole]

    def end(self) -> list[Line]:
        """Return the last line if it isn't complete yet."""
        return [self._line(self.rest)] if self.rest else []

    def _read(self, path: Path) -> bytes:
        with suppress(FileNotFoundError), path.open("rb") as file:
            inode = os.fstat(file.fileno()).st_ino
            if inode != self.inode:
                if path != self.path:
                    return b""
                self.inode, self.offset = inode, 0
            file.seek(self.offset)
            data = file.read()
            self.offset += len(data)
            return data
        return b""

    def _line(self, data: bytes) -> Line:
        text = data.decode(errors="replace")
        begin = RECORD.match(text)
        self.at = begin["at"] if begin else self.at
        return Line(self.at, self.path.stem, text)


def shown(names: Sequence[str], settings: Settings, *, last: int, everything: bool, follow: bool) -> Iterator[Line]:
    """Yield the lines of the functions' logs, in the order of their times.

    Parameters
    ----------
    names
        ``tenant/namespace/name`` of each.
    last
        How many of each log's last lines to begin with.
    everything
        Whether to include the lines that Pulsar's instance itself writes at each start and end.
    follow
        Whether to go on with new lines, without end.
    """
    logs: dict[Path, _Log] = {}

    def new_lines(most: int | None) -> list[Line]:
        for function in names:
            for path in files(function, settings):
                logs.setdefault(path, _Log(path))
        found: list[Line] = []
        for log in logs.values():
            lines = log.read() if follow else [*log.read(), *log.end()]
            found += deque((line for line in lines if everything or not PULSARS_OWN.match(line.text)), most)
        # Times are whole seconds. The sort is stable, so an instance's lines of one second stay together and in order.
        return sorted(found, key=lambda line: line.at)

    yield from new_lines(last)
    while follow:
        time.sleep(POLL_S)
        yield from new_lines(None)


def places(configs: Sequence[PulsarFunctionConfig], api: Admin) -> list[str]:
    """Return where each instance's log is on a cluster: the file, below its worker's log folder, and the worker."""
    workers = {each["workerId"]: each.get("workerHostname", "") for each in api.get("/admin/v2/worker/cluster")}
    return [
        f"functions/{config.full_name}/{config.name}-{instance.number}.log in logDirectory of {instance.worker}"
        f" ({workers.get(instance.worker, 'which is away')})"
        for config in configs
        if (found := functions.instances(api, config.rest_path)) is not None
        for instance in found.each
        if instance.worker
    ]


def last_error(function: str, settings: Settings) -> str:
    """Return the last error line of the log that was written to last; empty when there is none."""
    logs = sorted(files(function, settings), key=lambda path: path.stat().st_mtime)
    if not logs:
        return ""
    with logs[-1].open("rb") as file:
        file.seek(max(0, logs[-1].stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if any(level in line for level in ERROR_LEVELS) and not PULSARS_OWN.match(line)]
    return errors[-1].strip() if errors else ""


@contextmanager
def explaining(settings: Settings | None) -> Iterator[None]:
    """Add the last error of its log to a `FunctionFailedError`. Without a local stack, add nothing."""
    try:
        yield
    except FunctionFailedError as error:
        if settings is not None and (line := last_error(error.function, settings)):
            error.args = (f"{error}\n{line}",)
        raise
