"""Holds a report aside while it comes in, and lets it out only when it is whole. No more than a part is in memory."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from client.errors import ReportRefusedError
from schemas.tienda.periodo import Periodo
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado
from terminal.errors import OutputError


@dataclass(frozen=True)
class Asked:
    """What a report must be.

    Parameters
    ----------
    report_id
        Parts of other reports are passed over.
    periodo
        What it covers.
    report
        Its kind.
    filtered
        Whether there are filters.
    """

    report_id: str
    periodo: Periodo
    report: str = "orders"
    filtered: bool = False


@dataclass
class _Making:
    """One making of the report: its parts lie in a file, in the order in which they came."""

    file: BinaryIO
    places: dict[int, tuple[int, int]] = field(default_factory=dict)
    last: ReporteGenerado | None = None

    def add(self, part: ReporteGenerado) -> None:
        if part.part not in self.places:
            self.places[part.part] = (self.file.seek(0, 2), len(part.content))
            self.file.write(part.content)
            self.file.flush()
        if part.last:
            self.last = part

    def whole(self) -> bool:
        return self.last is not None and len(self.places) > self.last.part

    def contents(self) -> Iterator[bytes]:
        for number in range(len(self.places)):
            start, length = self.places[number]
            self.file.seek(start)
            yield self.file.read(length)


class Spool:
    """Puts one report together from its parts, which may come in any order and more than once.

    If Reporting makes the report several times, the parts of each making are kept apart.

    Parameters
    ----------
    asked
        What the report must be.
    output
        Where the report goes: it is held beside that, as files without a name, which end with this process. None holds
        it in the temporary folder.
    """

    def __init__(self, asked: Asked, output: Path | None = None) -> None:
        self._asked = asked
        self._output = output
        self._makings: dict[int, _Making] = {}
        self._whole: _Making | None = None

    def take(self, part: ReporteGenerado) -> bool:
        """Add a part; return whether the report is whole now.

        Raises
        ------
        ReportRefusedError
            The part says why there is no report, or the report is another one, or differs from what Reporting made.
        OutputError
            The part can't be held.
        """
        if part.report_id != self._asked.report_id:
            return False
        if part.error:
            raise ReportRefusedError(f"Reporting refused: {part.error}")
        if problem := _other_report(part, self._asked):
            raise ReportRefusedError(problem)
        try:
            making = self._making(part.generated_at_ms)
            making.add(part)
        except OSError as error:
            raise OutputError(self._output or Path(tempfile.gettempdir()), error) from error
        if not making.whole():
            return False
        _require_unchanged(making)
        self._whole = making
        return True

    def _making(self, made_at_ms: int) -> _Making:
        found = self._makings.get(made_at_ms)
        if found is None:
            folder = None if self._output is None else Path(os.path.realpath(self._output)).parent
            found = self._makings[made_at_ms] = _Making(tempfile.TemporaryFile(dir=folder))  # noqa: SIM115 -- see close
        return found

    def write(self, file: BinaryIO) -> int:
        """Write the whole report to a file; return its bytes."""
        if self._whole is None:
            raise ValueError("the report isn't whole")
        written = 0
        for content in self._whole.contents():
            file.write(content)
            written += len(content)
        return written

    def close(self) -> None:
        """Drop what is held."""
        for making in self._makings.values():
            with suppress(OSError):
                making.file.close()


@contextmanager
def spooled(asked: Asked, output: Path | None) -> Iterator[Spool]:
    """Return a spool for a `with` block; an ``output`` that is no file in a folder, such as a pipe, is none here."""
    spool = Spool(asked, output if output is not None and (output.is_file() or not output.exists()) else None)
    try:
        yield spool
    finally:
        spool.close()


def _require_unchanged(making: _Making) -> None:
    last = making.last
    if last is None or not last.sha256:  # a Reporting that doesn't say
        return
    digest, length = hashlib.sha256(), 0
    for content in making.contents():
        digest.update(content)
        length += len(content)
    if length != last.content_bytes or digest.digest() != last.sha256:
        raise ReportRefusedError(
            f"What arrived differs from what Reporting made: {length:,} of {last.content_bytes:,} bytes. Ask again."
        )


def _other_report(part: ReporteGenerado, asked: Asked) -> str:
    """Return how a report differs from the one that was asked for, empty if it is the same."""
    if not part.report and (asked.report != "orders" or asked.filtered):
        return (
            "Reporting is of a version that lists orders alone, without filters. Update it with ./deploy.sh deploy, or "
            "ask without --report, --filter and --formats."
        )
    if part.report not in ("", asked.report):
        return f"Reporting made the report {part.report}, not {asked.report}. Ask again."
    return _other_period(part, asked.periodo)


def _other_period(part: ReporteGenerado, asked: Periodo) -> str:
    from_ms = part.from_ms if part.HasField("from_ms") else None
    to_ms = part.to_ms if part.HasField("to_ms") else None
    if not asked.bounded or (from_ms, to_ms, part.by) == (asked.from_ms, asked.to_ms, asked.by):
        return ""
    if not part.tz:
        return (
            "Reporting is of a version that makes no reports of a period: this one has all orders. Update it with "
            "./deploy.sh deploy, or ask without --from and --to."
        )
    covered = f"orders {part.by} from {asked.shown(from_ms)} to {asked.shown(to_ms)}"
    return f"Reporting made a report of another period: {covered}. Ask again."
