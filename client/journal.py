"""Notes in a file what a run is to send and which of it is done, so that the run can be continued after any end.

The first line is the run's plan. Each further line names messages that are done, as ranges of their numbers: `ended`
(the order has its end) or `confirmed` (Pulsar has it). What no line notes is sent again, with the same ids, which
changes nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO, Self

from client.errors import JournalError
from terminal.errors import OutputError
from terminal.output import writing

VERSION = 1
NOTE_EVERY_S = 0.5
"""How often at most the file is written to and synced. So much work is done again after a power failure."""
CONFIRMED, ENDED = "confirmed", "ended"


class Journal:
    """The notes of one run, held by one process at a time.

    Parameters
    ----------
    path
        The file. It is made if it isn't there.
    plan
        What the run is to send, as JSON; None to take the file's.

    Attributes
    ----------
    plan : dict
        What the run is to send.
    done : dict of str to set of int
        By `CONFIRMED` and `ENDED`, the messages that are noted as such.

    Raises
    ------
    JournalError
        If the file is no journal or of another plan, or another process holds it.
    OutputError
        If the file can't be written.
    """

    def __init__(self, path: Path, plan: dict[str, Any] | None = None) -> None:
        self._path = path
        self._waiting: dict[str, list[int]] = {CONFIRMED: [], ENDED: []}
        self._written_at = time.monotonic()
        self._broken = False
        self.done: dict[str, set[int]] = {CONFIRMED: set(), ENDED: set()}
        try:
            if not exists(path):
                # Whole or not at all: a journal without its plan would be worth nothing.
                with writing(path) as file:
                    file.write(_line({"alpes_send": VERSION, "plan": plan}))
            self._file: BinaryIO = path.open("r+b")
        except OSError as error:
            raise OutputError(path, error) from error
        try:
            self._hold()
            self.plan = self._read()
            if plan not in (None, self.plan):
                raise JournalError(f"Another run has begun {path}: continue that one, or name another file.")
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.write()
        finally:
            self._file.close()

    def done_for(self, *, follow: bool) -> set[int]:
        """Return the messages that needn't be sent again: those that ended, or, unfollowed, those that Pulsar has."""
        return self.done[ENDED] if follow else self.done[ENDED] | self.done[CONFIRMED]

    def note(self, what: str, number: int) -> None:
        """Have a message noted as `CONFIRMED` or `ENDED`. Several threads may call this."""
        self._waiting[what].append(number)

    def write_if_due(self) -> None:
        """Write what is to be noted, unless that was done just before."""
        if time.monotonic() - self._written_at >= NOTE_EVERY_S:
            self.write()

    def write(self) -> None:
        """Write what is to be noted, and have it on the disk."""
        taken = {}
        for what, numbers in self._waiting.items():
            # Other threads may append meanwhile.
            taken[what] = numbers[: len(numbers)]
            del numbers[: len(taken[what])]
        lines = b"".join(_line({what: ranges(numbers)}) for what, numbers in taken.items() if numbers)
        if lines and not self._broken:
            try:
                self._file.write(lines)
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                # A line after half a line could not be read.
                self._broken = True
                raise OutputError(self._path, error) from error
        self._written_at = time.monotonic()

    def _hold(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise JournalError(f"Another run is using {self._path}: wait for its end, or name another file.") from None

    def _read(self) -> dict[str, Any]:
        end = 0
        plan: dict[str, Any] | None = None
        for line in self._file:
            # The last line may be cut: then nobody knows of what it says, and it is done again.
            if not line.endswith(b"\n"):
                break
            try:
                noted = json.loads(line)
                if plan is None:
                    plan = _plan(noted)
                else:
                    for what, pairs in noted.items():
                        for first, last in pairs:
                            self.done[what].update(range(first, min(last, int(plan["orders"])) + 1))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
                where = "" if plan is None else " from here on"
                raise JournalError(
                    f"{self._path} is no file that --resume wrote{where}: {line[:40]!r}. Nothing was changed; name"
                    " another."
                ) from None
            end += len(line)
        if plan is None:
            raise JournalError(f"{self._path} is no file that --resume wrote. Nothing was changed; name another.")
        self._file.seek(end)
        self._file.truncate()
        return plan


def exists(path: Path) -> bool:
    """Return whether there is a journal, or another file that must not be overwritten; an empty one may be."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Return numbers as ranges, each with its first and its last.

    Examples
    --------
    >>> ranges([3, 1, 2, 7])
    [[1, 3], [7, 7]]
    """
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _plan(noted: Any) -> dict[str, Any]:
    if noted["alpes_send"] != VERSION:
        raise ValueError("another version")
    plan: dict[str, Any] = dict(noted["plan"])
    return plan
