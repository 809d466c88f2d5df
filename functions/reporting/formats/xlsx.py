"""A spreadsheet, written in constant memory, and continued on another sheet at Excel's limit. Texts stay texts."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import IO, Any, Self

from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from functions.reporting.formats import NUMBERS, Column, Report, Table

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
SHEET_ROWS = 1_048_576
"""Rows of a sheet, the header included: Excel's own limit."""
EXACT_DIGITS = 15
"""Digits that Excel keeps of a number; a longer one is written as text."""
PIECE_BYTES = 1 << 16
WIDTH = 18


def render(report: Report) -> Iterator[bytes]:
    """Yield the file, which is made in the temporary folder first: its table of contents depends on all of it."""
    with _Told(report.alive) as file:
        with closing(Workbook(file, {"constant_memory": True, "in_memory": False})) as book:
            book.use_zip64()
            for number, rows in enumerate(_sheets(report.table.rows), 1):
                _fill(book, f"{report.name[:24]} {number}", report.table, rows)
            totals = report.related("by-status")
            if totals.columns:
                _fill(book, "totals", totals, totals.rows)
            _about(book, report)
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            yield piece


class _Told:
    """A temporary file that tells of each write: compressing takes minutes and says nothing else."""

    def __init__(self, alive: Callable[[], None]) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 -- closed at the exit
        self._alive = alive

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> int:
        self._alive()
        return self._file.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _sheets(rows: Iterator[Sequence[Any]]) -> Iterator[Iterator[Sequence[Any]]]:
    """Yield the rows of one sheet after the other, at least of one."""
    first: Sequence[Any] | None = next(rows, None)

    def sheet() -> Iterator[Sequence[Any]]:
        nonlocal first
        for _ in range(SHEET_ROWS - 1):
            if first is None:
                return
            yield first
            first = next(rows, None)

    yield sheet()
    while first is not None:
        yield sheet()


def _fill(book: Workbook, name: str, table: Table, rows: Iterator[Sequence[Any]]) -> None:
    sheet = book.add_worksheet(name)
    shown = [(place, column) for place, column in enumerate(table.columns) if not column.internal]
    bold = book.add_format({"bold": True})
    sheet.freeze_panes(1, 0)
    for position, (_, column) in enumerate(shown):
        sheet.set_column(position, position, WIDTH)
        sheet.write_string(0, position, column.name, bold)
    for line, row in enumerate(rows, 1):
        for position, (place, column) in enumerate(shown):
            _write(sheet, line, position, row[place], column)


def _write(sheet: Worksheet, line: int, position: int, value: Any, column: Column) -> None:
    if value is None:
        return
    if column.type in NUMBERS and len(str(value)) <= EXACT_DIGITS:
        sheet.write_number(line, position, float(value))
    elif sheet.write_string(line, position, str(value)):
        raise ValueError(
            f"the column {column.name} has a text of {len(str(value)):,} characters, and a spreadsheet's cell holds "
            "32,767: ask for another format"
        )


def _about(book: Workbook, report: Report) -> None:
    sheet = book.add_worksheet("about")
    sheet.set_column(0, 0, WIDTH)
    sheet.set_column(1, 1, 3 * WIDTH)
    told = report.described() | {"lists": report.about}
    told["filters"] = ", ".join(f"{name}={value}" for name, value in report.filters.items())
    for line, (name, value) in enumerate(told.items()):
        sheet.write_string(line, 0, name)
        sheet.write_string(line, 1, "" if value is None else str(value))
