"""Orders in PostgreSQL: applies a batch, and reads back what stands there."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from functions.alpes_runtime import Row, Transaction, load_queries

from .domain import PREVIOUS, Orden, OrdenGuardada, Transaccion

_SQL = load_queries(Path(__file__).with_name("sql") / "ordenes.sql")


class Accepted(NamedTuple):
    """A batch after it was recorded.

    Attributes
    ----------
    ordenes
        Every order of the batch as it was accepted, now or before, by id.
    new
        Ids of those that are new.
    """

    ordenes: dict[str, Orden]
    new: Sequence[str]


class Settled(NamedTuple):
    """A batch of transactions after it was applied.

    Attributes
    ----------
    ordenes
        The orders as they stand, by id; those that aren't there are missing.
    changed
        Ids of those that changed now.
    """

    ordenes: dict[str, OrdenGuardada]
    changed: Sequence[str]


def accept(transaction: Transaction, batch: Sequence[Orden]) -> Accepted:
    """Record the orders that are new; of several with one id, the first."""
    first: dict[str, Orden] = {}
    for orden in batch:
        first.setdefault(orden.id, orden)
    ordered = [first[order_id] for order_id in sorted(first)]
    rows = transaction.execute(
        _SQL["insert_new"],
        {
            "ids": [orden.id for orden in ordered],
            "client_ids": [orden.client_id for orden in ordered],
            "addresses": [orden.address for orden in ordered],
            "totals": [orden.total_cents for orden in ordered],
            "currencies": [orden.currency for orden in ordered],
            "created_at_ms": [orden.created_at_ms for orden in ordered],
            "traceparents": [orden.traceparent for orden in ordered],
        },
    )
    new = [row[0] for row in rows]
    if len(new) < len(first):
        before = stored(transaction, sorted(first.keys() - set(new)))
        first.update((order_id, guardada.orden) for order_id, guardada in before.items())
    return Accepted(first, new)


def settle(transaction: Transaction, batch: Sequence[Transaccion]) -> Settled:
    """Move the orders that these transactions may move; of several for one order, the first."""
    first: dict[str, Transaccion] = {}
    for transaccion in batch:
        first.setdefault(transaccion.order_id, transaccion)
    ordered = [first[order_id] for order_id in sorted(first)]
    rows = transaction.execute(
        _SQL["settle"],
        {
            "ids": [transaccion.order_id for transaccion in ordered],
            "statuses": [transaccion.status for transaccion in ordered],
            "previous": [PREVIOUS[transaccion.status] for transaccion in ordered],
            "transaction_ids": [transaccion.id for transaccion in ordered],
            "amounts": [transaccion.amount_cents for transaccion in ordered],
        },
    )
    ordenes = {row[0]: _guardada(row) for row in rows}
    changed = list(ordenes)
    if len(changed) < len(first):
        ordenes.update(stored(transaction, sorted(first.keys() - ordenes.keys())))
    return Settled(ordenes, changed)


def stored(transaction: Transaction, ids: Sequence[str]) -> dict[str, OrdenGuardada]:
    """Read orders by id."""
    return {row[0]: _guardada(row) for row in transaction.execute(_SQL["stored"], {"ids": ids})}


def mark(transaction: Transaction, ids: Sequence[str]) -> None:
    """Record that the state store has to be told about these orders."""
    if ids:
        transaction.execute(_SQL["mark"], {"ids": ids})


def _guardada(row: Row) -> OrdenGuardada:
    return OrdenGuardada(Orden(*row[:7]), *row[7:])
