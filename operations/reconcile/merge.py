"""Merges the rows of the three databases by order, in constant memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from operations.reconcile.rules import ABSENT, BEHIND, OTHER, SAME, Facts

OrdenRow = tuple[str, str, int, int, str, int, str]
"""id, status, version, cents, currency, client, transaction, which is empty if there is none."""
ReportingRow = tuple[str, str, int, int, str, int]
"""The same without the transaction."""
PagoRow = tuple[str, str, int, str, str]
"""Order id, status as in `PAGOS`, cents, currency, transaction, which is empty if there is none."""

_END = "\x7f"
"""Above every id: ids are of letters, digits and ``. _ -``, and sorted by their bytes."""


class Rows(NamedTuple):
    """An order's rows; None where a database has none."""

    id: str
    orden: OrdenRow | None
    pago: PagoRow | None
    reporting: ReportingRow | None


def merged(ordenes: Iterable[OrdenRow], pagos: Iterable[PagoRow], reporting: Iterable[ReportingRow]) -> Iterator[Rows]:
    """Yield each order that any of the three has, by id. Each input is sorted by the bytes of the ids."""
    done: tuple[Any, ...] = (_END,)
    next_orden, next_pago, next_reporting = iter(ordenes).__next__, iter(pagos).__next__, iter(reporting).__next__

    def advance(following: Any) -> Any:
        try:
            return following()
        except StopIteration:
            return done

    orden, pago, seen = advance(next_orden), advance(next_pago), advance(next_reporting)
    while True:
        least = min(orden[0], pago[0], seen[0])
        if least is _END:
            return
        mine: Any = None
        paid: Any = None
        shown: Any = None
        if orden[0] == least:
            mine, orden = orden, advance(next_orden)
        if pago[0] == least:
            paid, pago = pago, advance(next_pago)
        if seen[0] == least:
            shown, seen = seen, advance(next_reporting)
        yield Rows(least, mine, paid, shown)


def facts(orden: OrdenRow | None, pago: PagoRow | None, reporting: ReportingRow | None) -> Facts:
    """Return how an order's rows agree with each other."""
    if reporting is None:
        seen = ABSENT
    elif orden is None:
        seen = OTHER
    elif orden[:6] == reporting:
        seen = SAME
    else:
        # An earlier version of the same order: what was accepted never changes.
        seen = BEHIND if reporting[2] < orden[2] and reporting[3:] == orden[3:6] else OTHER
    return Facts(
        ABSENT if orden is None else orden[1],
        ABSENT if pago is None else pago[1],
        seen,
        orden is None or pago is None or orden[3:5] == pago[2:4],
        orden is None or pago is None or not orden[6] or not pago[4] or orden[6] == pago[4],
    )
