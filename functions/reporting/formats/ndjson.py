"""One JSON object per line and row, for programs that read a line at a time."""

import json
from collections.abc import Iterator

from functions.reporting.formats import Report

CONTENT_TYPE = "application/x-ndjson"


def render(report: Report) -> Iterator[bytes]:
    """Yield one line per row."""
    names = [column.name for column in report.table.columns]
    encode = json.JSONEncoder().encode
    for row in report.table.rows:
        yield encode(dict(zip(names, row, strict=True))).encode() + b"\n"
