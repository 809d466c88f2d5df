"""Charges and refunds in PostgreSQL: records a batch, and reads back what stands there."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from alpes_runtime import Transaction, load_queries

from .domain import Cobro, Reembolso, Transaccion

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
        first.update(stored(transaction, first.keys() - {row[0] for row in rows}))
    return first


def stored(transaction: Transaction, order_ids: Iterable[str]) -> dict[str, Transaccion]:
    """Read transactions by order id."""
    rows = transaction.execute(_SQL["stored"], {"order_ids": sorted(order_ids)})
    return {row[0]: Transaccion(*row) for row in rows}


def intend(transaction: Transaction, cobros: Sequence[Cobro]) -> dict[str, Cobro]:
    """Record that the gateway is about to be asked for these charges, and return each as it was first asked for."""
    first: dict[str, Cobro] = {}
    for cobro in cobros:
        first.setdefault(cobro.order_id, cobro)
    ordered = [first[order_id] for order_id in sorted(first)]
    rows = transaction.execute(
        _SQL["insert_intents"],
        {
            "order_ids": [cobro.order_id for cobro in ordered],
            "amounts": [cobro.amount_cents for cobro in ordered],
            "currencies": [cobro.currency for cobro in ordered],
            "traceparents": [cobro.traceparent for cobro in ordered],
        },
    )
    return {row[0]: Cobro(*row) for row in rows}


def forget_intents(transaction: Transaction, order_ids: Iterable[str]) -> None:
    """Remove the intents of charges whose outcome is known."""
    transaction.execute(_SQL["delete_intents"], {"order_ids": sorted(order_ids)})


def record_refunds(transaction: Transaction, refunds: Sequence[Reembolso]) -> dict[str, Reembolso]:
    """Record the refunds of orders that have none, and return those that stand, by order id."""
    first: dict[str, Reembolso] = {}
    for refund in refunds:
        first.setdefault(refund.order_id, refund)
    ordered = [first[order_id] for order_id in sorted(first)]
    transaction.execute(
        _SQL["insert_refunds"],
        {
            "order_ids": [refund.order_id for refund in ordered],
            "transaction_ids": [refund.transaction_id for refund in ordered],
            "amounts": [refund.amount_cents for refund in ordered],
            "currencies": [refund.currency for refund in ordered],
            "refunded_at_ms": [refund.refunded_at_ms for refund in ordered],
            "traceparents": [refund.traceparent for refund in ordered],
        },
    )
    return refunded(transaction, first)


def refunded(transaction: Transaction, order_ids: Iterable[str]) -> dict[str, Reembolso]:
    """Read refunds by order id."""
    rows = transaction.execute(_SQL["refunds"], {"order_ids": sorted(order_ids)})
    return {row[0]: Reembolso(*row) for row in rows}
