"""Markdown for the terminal: what the report covers, the totals, and at most 1,000 rows, in aligned tables."""

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from functions.reporting.formats import MOST_SHOWN, NUMBERS, Report, Table
from functions.reporting.formats._for_people import cell, for_people, harmless

CONTENT_TYPE = "text/markdown"


def render(report: Report) -> Iterator[bytes]:
    """Yield the heading, the totals, the rows, and how many are left out."""
    told = report.described()
    yield f"# {report.name}\n\n{report.about}\n\n".encode()
    period = f"{told['by']} from {told['from'] or 'the first'} to {told['to'] or 'the last'}"
    filters = "".join(f", {harmless(name)}={harmless(value)}" for name, value in report.filters.items())
    yield f"Made {told['generated_at']}. Orders {period}{filters}, times in {told['tz']}.\n\n".encode()
    rows = list(islice(report.table.rows, MOST_SHOWN))
    left_out = report.table.rest()
    totals = report.related("by-status")
    if report.name != "by-status" and (summed := list(totals.rows)):
        yield b"## Totals\n\n" + _table(totals, summed) + f"\n## {report.name}\n\n".encode()
    yield _table(report.table, rows)
    if left_out:
        yield f"\n{left_out:,} more rows are left out: ask for csv, ndjson or json to have them all.\n".encode()


def _table(table: Table, rows: Sequence[Sequence[Any]]) -> bytes:
    """Return an aligned table."""
    shown = for_people(table.columns)
    numbers = [table.columns[place].type in NUMBERS for place in shown]
    lines = [[table.columns[place].name for place in shown]]
    lines += [[_cell(row[place], table.columns[place].type) for place in shown] for row in rows]
    widths = [max(3, *(_width(line[n]) for line in lines)) for n in range(len(shown))]
    rule = ["-" * (width - 1) + ":" if right else "-" * width for width, right in zip(widths, numbers, strict=True)]
    lines.insert(1, rule)
    return "".join(_line(line, widths, numbers) for line in lines).encode()


def _line(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    padded = (
        " " * (width - _width(cell)) + cell if right else cell + " " * (width - _width(cell))
        for cell, width, right in zip(cells, widths, numbers, strict=True)
    )
    return f"| {' | '.join(padded)} |\n"


def _cell(value: Any, kind: str) -> str:
    return cell(value, kind).replace("\\", "\\\\").replace("|", "\\|")


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
