"""CSV for Excel: with a byte-order mark, semicolons and decimal commas. Nothing in it is computed or converted.

A text that Excel might take for a formula, a number or a date begins with an apostrophe here.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Any

from functions.reporting.formats import NUMBERS, TEXT, Report
from functions.reporting.formats._lines import emptied

CONTENT_TYPE = "text/csv"
EXACT_DIGITS = 15
"""Digits that Excel keeps of a number."""
_WORDS = re.compile(r"[A-Za-z_]{1,60}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""What Excel leaves alone: letters without a digit, and UUIDs."""
_VALUES = frozenset(
    {"true", "false", "verdadero", "falso", "verdadeiro", "vero", "wahr", "falsch", "vrai", "faux", "waar", "onwaar"}
)
"""Excel's truth values in English, Spanish, Portuguese, Italian, German, French and Dutch."""


def render(report: Report) -> Iterator[bytes]:
    """Yield the mark and the header, then one line per row."""
    shown = [(place, column.type) for place, column in enumerate(report.table.columns) if not column.internal]
    line = io.StringIO(newline="")
    writer = csv.writer(line, delimiter=";")
    line.write("\ufeff")
    writer.writerow([report.table.columns[place].name for place, _ in shown])
    for row in report.table.rows:
        writer.writerow([_cell(row[place], kind) for place, kind in shown])
        yield emptied(line)
    yield emptied(line)


def _cell(value: Any, kind: str) -> Any:
    if value is None:
        return ""
    if kind in NUMBERS:
        text = str(value)
        return text.replace(".", ",") if len(text) <= EXACT_DIGITS else f"'{text}"
    return as_text(str(value)) if kind == TEXT else value


def as_text(text: str) -> str:
    """Return a text that Excel shows as it is, with an apostrophe before it if need be.

    Examples
    --------
    >>> as_text("aprobada"), as_text("000123"), as_text("-1+2"), as_text("1e5")
    ('aprobada', "'000123", "'-1+2", "'1e5")
    """
    harmless = not text or (_WORDS.fullmatch(text) and text.lower() not in _VALUES)
    return text if harmless else f"'{text}"
