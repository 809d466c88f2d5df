"""Transactions in PostgreSQL: records a batch, and reads back what stands there."""

from collections.abc import Sequence
from pathlib import Path

from functions.alpes_runtime import Transaction, load_queries

from .domain import Transaccion

_SQL = load_queries(Path(__file__).with_name("sql") / "transacciones.sql")


def record(transaction: Transaction, decided: Sequence[Transaccion]) -> dict[str, Transaccion]:
    """Record the transactions of orders that have none, and return those that stand, by order id.

    An order that was charged before keeps its transaction; of several for one order in the batch, the first counts.
    """
    first: dict[str, Transaccion] = {}
    for transaccion in decided:
        first.setdefault(transaccion.order_id, transaccion)
    ordered = [first[order_id] for order_id in sorted(first)]
    rows = transaction.execute(
        _SQL["insert_new"],
        {
            "order_ids": [transaccion.order_id for transaccion in ordered],
            "ids": [transaccion.id for transaccion in ordered],
            "statuses": [transaccion.status for transaccion in ordered],
            "amounts": [transaccion.amount_cents for transaccion in ordered],
            "currencies": [transaccion.currency for transaccion in ordered],
            "processed_at_ms": [transaccion.processed_at_ms for transaccion in ordered],
            "traceparents": [transaccion.traceparent for transaccion in ordered],
        },
    )
    if len(rows) < len(first):
        before = sorted(first.keys() - {row[0] for row in rows})
        stored = transaction.execute(_SQL["stored"], {"order_ids": before})
        first.update((row[0], Transaccion(*row)) for row in stored)
    return first
