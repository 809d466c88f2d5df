"""Comma-separated values by RFC 4180: a header, then one line per order."""

import csv
import io
from collections.abc import Iterator

from functions.reporting.formats import Report
from schemas.tienda.cambios import Cambio

CONTENT_TYPE = "text/csv"

COLUMNS = [name for name in Cambio._fields if name != "version"]


def render(report: Report) -> Iterator[bytes]:
    """Yield the header, then one line per order."""
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    for orden in report.ordenes:
        yield _emptied(line)
        writer.writerow([getattr(orden, column) for column in COLUMNS])
    yield _emptied(line)


def _emptied(line: io.StringIO) -> bytes:
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text.encode()
