"""Comma-separated values by RFC 4180: a header, then one line per order."""

import csv
import io
from collections.abc import Iterator

from functions.reporting.formats import Report, readable
from schemas.tienda.cambios import Cambio

CONTENT_TYPE = "text/csv"

STORED = [name for name in Cambio._fields if name != "version"]
COLUMNS = [*STORED, "created_at", "updated_at", "total"]


def render(report: Report) -> Iterator[bytes]:
    """Yield the header, then one line per order."""
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    for orden in report.ordenes:
        yield _emptied(line)
        stored = [getattr(orden, column) for column in STORED]
        writer.writerow([*stored, *readable(orden, report.periodo.zone).values()])
    yield _emptied(line)


def _emptied(line: io.StringIO) -> bytes:
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text.encode()
