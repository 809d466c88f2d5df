"""Comma-separated values by RFC 4180: a header, then one line per row. Values are as they are."""

import csv
import io
from collections.abc import Iterator

from functions.reporting.formats import Report
from functions.reporting.formats._lines import emptied

CONTENT_TYPE = "text/csv"


def render(report: Report) -> Iterator[bytes]:
    """Yield the header, then one line per row."""
    shown = [place for place, column in enumerate(report.table.columns) if not column.internal]
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    writer.writerow([report.table.columns[place].name for place in shown])
    for row in report.table.rows:
        yield emptied(line)
        writer.writerow([row[place] for place in shown])
    yield emptied(line)
