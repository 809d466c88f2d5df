"""Charges and refunds in PostgreSQL: records a batch, and reads back what is stored."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from alpes_runtime import Transaction, load_queries
from alpes_runtime.database import columns, first_of_each

from .domain import Cobro, Reembolso, Transaccion

_SQL = load_queries(Path(__file__).with_name("sql") / "transacciones.sql")


def record(transaction: Transaction, decided: Sequence[Transaccion]) -> dict[str, Transaccion]:
    """Record the transactions of orders that have none, and return each order's transaction by order id.

    An order that was charged before keeps its transaction; of several for one order in the batch, the first counts.
    """
    first = first_of_each(decided)
    rows = transaction.execute(_SQL["insert_new"], columns(first.values(), Transaccion))
    if len(rows) < len(first):
        first.update(stored(transaction, first.keys() - {row[0] for row in rows}))
    return first


def stored(transaction: Transaction, order_ids: Iterable[str]) -> dict[str, Transaccion]:
    """Read transactions by order id."""
    rows = transaction.execute(_SQL["stored"], {"order_ids": sorted(order_ids)})
    return {row[0]: Transaccion(*row) for row in rows}


def intend(transaction: Transaction, cobros: Sequence[Cobro]) -> dict[str, Cobro]:
    """Record that the gateway is about to be asked for these charges, and return each as it was first asked for."""
    first = first_of_each(cobros)
    rows = transaction.execute(_SQL["insert_intents"], columns(first.values(), Cobro))
    return {row[0]: Cobro(*row) for row in rows}


def forget_intents(transaction: Transaction, order_ids: Iterable[str]) -> None:
    """Remove the intents of charges whose outcome is known."""
    transaction.execute(_SQL["delete_intents"], {"order_ids": sorted(order_ids)})


def record_refunds(transaction: Transaction, refunds: Sequence[Reembolso]) -> dict[str, Reembolso]:
    """Record the refunds of orders that have none, and return each order's refund by order id."""
    first = first_of_each(refunds)
    transaction.execute(_SQL["insert_refunds"], columns(first.values(), Reembolso))
    return refunded(transaction, first)


def refunded(transaction: Transaction, order_ids: Iterable[str]) -> dict[str, Reembolso]:
    """Read refunds by order id."""
    rows = transaction.execute(_SQL["refunds"], {"order_ids": sorted(order_ids)})
    return {row[0]: Reembolso(*row) for row in rows}
