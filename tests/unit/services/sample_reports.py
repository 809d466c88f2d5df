"""Reports of given orders, as the query would give them, for the tests of formats."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from functions.reporting.formats import Report, Table
from functions.reporting.making import columns
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import Periodo, periodo

TEXT, BIGINT, NUMERIC = 25, 20, 1700
TYPES: Mapping[str, int] = {"id": TEXT, "status": TEXT, "currency": TEXT}
GENERATED_AT_MS = 1_767_225_700_000


def table(described: Sequence[tuple[str, int]], rows: Iterable[Sequence[Any]], of: Periodo) -> Table:
    listed = iter(rows)
    return Table(
        columns.columns(described),
        columns.values(described, listed, of.zone),
        lambda: sum(1 for _ in listed),
    )


def orders_table(ordenes: Iterable[Cambio], of: Periodo) -> Table:
    return table([(name, TYPES.get(name, BIGINT)) for name in Cambio._fields], ordenes, of)


def totals_table(ordenes: Iterable[Cambio], of: Periodo) -> Table:
    orders, cents = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for orden in ordenes:
        orders[orden.status, orden.currency] += 1
        cents[orden.status, orden.currency] += orden.total_cents
    described = [("status", TEXT), ("currency", TEXT), ("orders", BIGINT), ("total_cents", NUMERIC)]
    return table(described, [(*key, orders[key], cents[key]) for key in sorted(orders)], of)


def report_of(*ordenes: Cambio, of: Periodo | None = None, kind: str = "orders") -> Report:
    """Return a report; of other kinds than totals by status, it has no rows."""
    covered = of or periodo()
    hours = [("hour_at_ms", BIGINT), ("status", TEXT), ("currency", TEXT), ("orders", BIGINT), ("total_cents", NUMERIC)]
    levels = [(name, BIGINT) for name in ("minute_at_ms", "orders", "p50_ms", "p95_ms", "p99_ms", "clock_ahead")]

    def related(name: str) -> Table:
        if name == "by-status":
            return totals_table(ordenes, covered)
        if name == "service-levels":
            return table(levels, [(orden.updated_at_ms, 1, 1333, 1333, 1333, 0) for orden in ordenes[:1]], covered)
        step = 86_400_000 if name == "by-day" else 3_600_000
        started = [(name.replace("by-", "") + "_at_ms", BIGINT), *hours[1:]]
        numbered = zip(count(), ordenes[:50], strict=False)
        return table(
            started,
            [
                (
                    o.created_at_ms + (n * step if o.created_at_ms < 10**14 else -n * step),
                    o.status,
                    o.currency,
                    n % 7,
                    o.total_cents,
                )
                for n, o in numbered
            ],
            covered,
        )

    return Report(
        name=kind,
        about="Every order, sorted by id.",
        generated_at_ms=GENERATED_AT_MS,
        periodo=covered,
        filters={},
        table=orders_table(ordenes, covered),
        related=related,
    )
