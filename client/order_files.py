"""Reads orders from a file, CSV or NDJSON, a line at a time, and says which lines can't be sent and why."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from client.errors import OrderFileError
from schemas.tienda import rules, upcasters
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from terminal.text import one_line

STANDARD_INPUT = "-"
LEFT_OUT = "created_at"
"""The field that no file has: a float that holds a time to 128 s only. It follows from `created_at_ms`."""
BLOCK_BYTES = 1 << 16
MOST_LINE_BYTES = 1 << 17
"""A longer line is bad: all texts of an order, each as long as the rules allow, need less."""
MOST_COPIED_BYTES = 4_000_000_000
TOO_LONG = "\udc80\udc80"
"""Stands for the rest of a line that is too long; no UTF-8 decodes to it."""
SHOWN_CHARS = 60
"""How much of a bad line is shown."""
WHOLE = re.compile(r"-?[0-9]{1,19}")
"""A whole number in a CSV file."""
OPEN_QUOTE = "a quoted text begins in it and has no proper end"
"""Why a row that goes on over several lines is none."""
NOW_MS = 1_800_000_000_000
"""Stands for the time of sending while a line is checked."""


class Line(NamedTuple):
    """A line of the file, or several if a quoted text has line breaks.

    Attributes
    ----------
    number : int
        Its number, from 1 on.
    text : str
        What it says, cut to be shown.
    order : CrearOrden or None
        The order; None if the line is no order that may be sent.
    problem : str
        Why there is no order.
    """

    number: int
    text: str
    order: CrearOrden | None
    problem: str = ""

    def told(self) -> str:
        """Return which line it is and what is wrong with it."""
        return f"line {self.number}, {self.text!r}: {self.problem}"


@dataclass
class Survey:
    """What a file holds.

    Attributes
    ----------
    orders : int
        Lines that are orders.
    sha256 : str
        Of the file's bytes.
    bad : int
        Lines that can't be sent.
    first_bad : list of Line
        The first ones of these.
    """

    orders: int = 0
    sha256: str = ""
    bad: int = 0
    first_bad: list[Line] = field(default_factory=list)


MOST_SHOWN = 10
"""How many bad lines a survey keeps."""


@contextmanager
def opened(name: str, most: int) -> Iterator[BinaryIO]:
    """Open a file that can be read twice. Standard input (`-`) and pipes are copied to a temporary file for that.

    Parameters
    ----------
    name
        The file.
    most
        How many lines a file may have that is copied.

    Raises
    ------
    OrderFileError
        If standard input is closed, or what is copied is too long.
    """
    if name == STANDARD_INPUT:
        if sys.stdin is None:
            raise OrderFileError("Standard input is closed: name a file.")
        with _copied(sys.stdin.buffer, "Standard input", most) as copy:
            yield copy
        return
    with Path(name).open("rb") as file:
        if file.seekable():
            yield file
            return
        with _copied(file, name, most) as copy:
            yield copy


def is_read_once(name: str) -> bool:
    """Return whether a file can be read only once: standard input, or a pipe."""
    return name == STANDARD_INPUT or Path(name).is_fifo()


@contextmanager
def _copied(file: BinaryIO, called: str, most: int) -> Iterator[BinaryIO]:
    with tempfile.TemporaryFile() as copy:
        ends = 0
        while block := file.read(BLOCK_BYTES):
            copy.write(block)
            ends += block.count(b"\n")
            # Something that never ends must not fill the disk.
            if ends > most or copy.tell() > MOST_COPIED_BYTES:
                raise OrderFileError(
                    f"{called} is over {most:,} lines, or {MOST_COPIED_BYTES / 1e9:.0f} GB: send it in parts."
                )
        yield copy


def survey(file: BinaryIO, most: int) -> Survey:
    """Check every line of a file, up to one order more than `most`, and find ids that come twice."""
    file.seek(0)
    digest = hashlib.sha256()
    while block := file.read(BLOCK_BYTES):
        digest.update(block)
    found = Survey(sha256=digest.hexdigest())
    for line in lines(file):
        if line.order is None:
            found.bad += 1
            if len(found.first_bad) < MOST_SHOWN:
                found.first_bad.append(line)
        else:
            found.orders += 1
            if found.orders > most:
                break
    return found


def orders(file: BinaryIO) -> Iterator[CrearOrden]:
    """Yield a file's orders, without the lines that can't be sent."""
    return (line.order for line in lines(file) if line.order is not None)


def lines(file: BinaryIO) -> Iterator[Line]:
    """Yield a file's lines, from its start; empty ones are skipped.

    A file whose first character is a brace is NDJSON, an object a line. Any other is CSV, with the fields' names in its
    first line. Names are those of the message `CrearOrden`; `direccion.calle` is a part of the address.

    Raises
    ------
    OrderFileError
        If the first line of a CSV file is not one of names, or the file is empty or a JSON array.
    """
    file.seek(0)
    start = file.read(BLOCK_BYTES).removeprefix(b"\xef\xbb\xbf")
    file.seek(0)
    text = _Text(file)
    first_character = start.lstrip()[:1]
    if not start:
        raise OrderFileError("The file is empty: it needs an order a line.")
    if first_character == b"[":
        raise OrderFileError(
            "The file is a JSON array: write NDJSON, each order as an object on a line of its own, without brackets and"
            " commas around them."
        )
    read = _ndjson if first_character == b"{" else _csv
    first: dict[str, int] = {}
    for line in read(text):
        known = first.setdefault(line.order.id, line.number) if line.order is not None else line.number
        yield line if known == line.number else Line(line.number, line.text, None, f"its id is that of line {known}")


class _Text:
    """The lines of a file as text. A byte that isn't UTF-8 becomes a mark which the line's check finds."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.number = 0
        """Of the last line that was read, from 1 on."""
        self._read_bytes = 0
        self._kept = (0, 0, "")

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MOST_LINE_BYTES)
        if not line:
            raise StopIteration
        text = line.decode("utf-8", "surrogateescape")
        self._read_bytes += len(line)
        if len(line) == MOST_LINE_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = self._file.readline(MOST_LINE_BYTES)
                self._read_bytes += len(line)
            text = f"{text[:SHOWN_CHARS]}{TOO_LONG}\n"
        self.number += 1
        if self.number == self._kept[0]:
            self._kept = (self.number, self._read_bytes, text)
        return text.removeprefix("\ufeff") if self.number == 1 else text

    def keep_next(self) -> int:
        """Keep the next line, to go back to its end, and return its number."""
        self._kept = (self.number + 1, self._read_bytes, "")
        return self.number + 1

    def go_back(self) -> str:
        """Go on with the line after the one that was kept, and return that one."""
        self.number, self._read_bytes, text = self._kept
        self._file.seek(self._read_bytes)
        return text


def _ndjson(text: _Text) -> Iterator[Line]:
    for number, line in enumerate(text, 1):
        if line.strip():
            yield _line(number, line, lambda line=line: _object(line))  # type: ignore[misc]


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Bad(f"it is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise _Bad("it is no JSON object")
    return found


def _csv(text: _Text) -> Iterator[Line]:
    reader = csv.reader(text, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise OrderFileError(f"Line 1 is no CSV: {error}.") from None
    _require_names(names)
    while True:
        number = text.keep_next()
        try:
            row = next(reader, None)
        except csv.Error as error:
            # A quote that doesn't close takes the next lines in, however many: they may be orders.
            several = text.number > number
            first = text.go_back()
            reader = csv.reader(text, strict=True)
            yield Line(number, _cut(first), None, f"it is no CSV: {OPEN_QUOTE if several else error}")
            continue
        if row is None:
            return
        if row:
            line = _line(number, ",".join(row), lambda row=row: _fields(names, row))  # type: ignore[misc]
            if line.problem and text.number > number:
                line = line._replace(problem=f"{line.problem}; it goes on to line {text.number}")
            yield line


def _require_names(names: list[str]) -> None:
    known = _names(CrearOrden.DESCRIPTOR)
    unknown = [name for name in names if name not in known]
    if unknown or "id" not in names or len(set(names)) < len(names):
        what = (
            f"names {', '.join(repr(one_line(name[:40])) for name in unknown[:5])}, which no order has"
            if unknown
            else "has a name twice"
            if len(set(names)) < len(names)
            else "doesn't name the field id"
        )
        raise OrderFileError(f"Line 1 {what}. It must name fields of an order: {', '.join(known)}.")


def _fields(names: list[str], row: list[str]) -> dict[str, Any]:
    if len(row) != len(names):
        raise _Bad(f"it has {len(row)} values, and line 1 has {len(names)} names")
    found: dict[str, Any] = {}
    for name, value in zip(names, row, strict=True):
        if value:
            outer, _, inner = name.partition(".")
            if inner:
                found.setdefault(outer, {})[inner] = value
            else:
                found[outer] = value
    return found


class _Bad(Exception):
    """A line is no order that may be sent."""


def _line(number: int, text: str, parsed: Callable[[], dict[str, Any]]) -> Line:
    shown = _cut(text)
    try:
        if not text.isascii() and any("\udc80" <= c <= "\udcff" for c in text):
            raise _Bad(f"it is longer than {MOST_LINE_BYTES:,} bytes" if TOO_LONG in text else "it is not UTF-8")
        order = _order(parsed())
        sent = CrearOrden()
        sent.CopyFrom(order)
        if problem := rules.new_order_problem(upcasters.newest(sent, lambda: NOW_MS)):
            raise _Bad(problem)
    except _Bad as error:
        return Line(number, shown, None, str(error))
    return Line(number, shown, order)


def _cut(text: str) -> str:
    shown = one_line(text.strip())
    return shown if len(shown) <= SHOWN_CHARS else f"{shown[:SHOWN_CHARS]}…"


def _order(given: dict[str, Any]) -> CrearOrden:
    values = _values(CrearOrden.DESCRIPTOR, given)
    try:
        return CrearOrden(**values)
    except ValueError:  # JSON can escape half a character
        raise _Bad("a text of it is not Unicode") from None


def _names(kind: Any, prefix: str = "") -> list[str]:
    """Return the names that a CSV file may have in its first line."""
    found = []
    for each in kind.fields:
        if each.message_type:
            found += _names(each.message_type, f"{each.name}.")
        elif each.name != LEFT_OUT:
            found.append(prefix + each.name)
    return found


def _values(kind: Any, given: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a message's fields, each of the type that the contract has."""
    found = {}
    for name, value in given.items():
        known = kind.fields_by_name.get(name)
        if known is None or name == LEFT_OUT:
            fields = ", ".join(each.name for each in kind.fields if each.name != LEFT_OUT)
            raise _Bad(f"it has {one_line(prefix + name)[:40]!r}, which is none of {fields}")
        if value is not None:
            found[name] = _value(known, value, prefix + name)
    return found


def _value(known: FieldDescriptor, value: Any, name: str) -> Any:
    if known.message_type:
        if not isinstance(value, dict):
            raise _Bad(f"{name} must be an object")
        return _values(known.message_type, value, f"{name}.")
    if known.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        if not isinstance(value, str):
            raise _Bad(f"{name} must be a text, not {json.dumps(value)[:40]}")
        return value
    bits = 31 if known.cpp_type == FieldDescriptor.CPPTYPE_INT32 else 63
    number = int(value) if isinstance(value, str) and WHOLE.fullmatch(value) else value
    # A bool is an int in Python, and none here.
    if type(number) is not int or not -(2**bits) <= number < 2**bits:
        raise _Bad(f"{name} must be a whole number, not {one_line(str(value))[:40]!r}")
    return number
