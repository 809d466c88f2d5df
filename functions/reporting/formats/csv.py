"""Comma-separated values after RFC 4180, one line an order, with a header."""

import csv
import io
from collections.abc import Iterator

from functions.reporting.domain import Report

CONTENT_TYPE = "text/csv"

COLUMNS = ("id", "client_id", "status", "total_cents", "currency", "created_at_ms", "updated_at_ms")


def render(report: Report) -> Iterator[bytes]:
    """Yield the header, then a line an order."""
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
