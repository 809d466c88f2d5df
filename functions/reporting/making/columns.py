"""What a query's columns mean, by their types and names. Pure.

`…_at_ms` is a time in Unix milliseconds, and a report also shows it as `…_at`, in ISO 8601. `…_cents` beside
`currency` is an amount in the currency's minor unit, and a report also shows it as `…`, with its decimals.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from functions.reporting.formats import AMOUNT, BIG, INTEGER, NUMBER, TEXT, TIME, Column
from schemas.tienda import money
from schemas.tienda.times import iso

AT_MS, CENTS = "_at_ms", "_cents"
INTERNAL = frozenset({"version"})
"""Columns for programs, which tables for people leave out."""
_NUMERIC = 1700
_TYPES = {20: INTEGER, 21: INTEGER, 23: INTEGER, _NUMERIC: BIG, 700: NUMBER, 701: NUMBER, 25: TEXT}
"""Types of PostgreSQL by number; any other is text. A numeric is a whole number, such as a sum."""

Value = Callable[[Sequence[Any]], Any]


def columns(described: Sequence[tuple[str, int]]) -> list[Column]:
    """Return the columns of a report: those of its query, given as names with types, then those for people."""
    names = [name for name, _ in described]
    stored = [Column(name, _TYPES.get(kind, TEXT), name in INTERNAL) for name, kind in described]
    times = [Column(name.removesuffix("_ms"), TIME) for name in names if name.endswith(AT_MS)]
    amounts = [Column(name.removesuffix(CENTS), AMOUNT) for name in names if _is_amount(name, names)]
    return stored + times + amounts


def values(
    described: Sequence[tuple[str, int]], rows: Iterable[Sequence[Any]], zone: ZoneInfo
) -> Iterator[Sequence[Any]]:
    """Yield each row with the values of `columns`.

    Raises
    ------
    ValueError
        A numeric is no whole number; the text says what to do.
    """
    names = [name for name, _ in described]
    whole = [place for place, (_, kind) in enumerate(described) if kind == _NUMERIC]
    texts = [place for place, (_, kind) in enumerate(described) if kind not in _TYPES]
    more: list[Value] = [partial(_time, place, zone) for place, name in enumerate(names) if name.endswith(AT_MS)]
    if "currency" in names:
        currency = names.index("currency")
        more += [partial(_amount, place, currency) for place, name in enumerate(names) if _is_amount(name, names)]
    for row in rows:
        stored = list(row)
        for place in whole:
            stored[place] = None if row[place] is None else _whole(row[place], names[place])
        for place in texts:
            stored[place] = None if row[place] is None else str(row[place])
        stored += [value(stored) for value in more]
        yield stored


def _whole(value: Decimal, name: str) -> int:
    if (number := int(value)) != value:
        raise ValueError(
            f"the column {name} has {value}, no whole number: round it in the query, or cast it to double precision"
        )
    return number


def _is_amount(name: str, names: Sequence[str]) -> bool:
    return name.endswith(CENTS) and "currency" in names


def _time(place: int, zone: ZoneInfo, row: Sequence[Any]) -> str | None:
    return None if row[place] is None else iso(row[place], zone)


def _amount(place: int, currency: int, row: Sequence[Any]) -> str | None:
    return None if row[place] is None else money.total(round(row[place]), row[currency])
