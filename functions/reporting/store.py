"""The read model in PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from alpes_runtime import Transaction, load_queries
from schemas.tienda.orden import FINAL_STATUSES

from .domain import Orden

_SQL = load_queries(Path(__file__).with_name("sql") / "ordenes.sql")


def keep_newest(transaction: Transaction, batch: Sequence[Orden]) -> None:
    """Write the orders whose version is higher than the one that stands there."""
    newest: dict[str, Orden] = {}
    for orden in batch:
        known = newest.get(orden.id)
        if known is None or known.version < orden.version:
            newest[orden.id] = orden
    ordered = [newest[order_id] for order_id in sorted(newest)]
    transaction.execute(
        _SQL["upsert"],
        {
            "ids": [orden.id for orden in ordered],
            "client_ids": [orden.client_id for orden in ordered],
            "statuses": [orden.status for orden in ordered],
            "totals": [orden.total_cents for orden in ordered],
            "currencies": [orden.currency for orden in ordered],
            "versions": [orden.version for orden in ordered],
            "created_at_ms": [orden.created_at_ms for orden in ordered],
            "updated_at_ms": [orden.updated_at_ms for orden in ordered],
        },
    )


def every_order(transaction: Transaction) -> Iterator[Orden]:
    """Yield all orders by id, as of one moment, in constant memory."""
    return (Orden(*row) for row in transaction.stream(_SQL["every_order"]))


def has_more_than(transaction: Transaction, orders: int) -> bool:
    """Whether there are more orders than so many."""
    ((more,),) = transaction.execute(_SQL["more_than"], {"orders": orders})
    return bool(more)


def totals(transaction: Transaction) -> Mapping[str, str]:
    """Return the totals for the state store: orders in ``total:<status>``, cents in ``total_cents:<status>``."""
    counted = {status: (orders, cents) for status, orders, cents in transaction.execute(_SQL["totals"])}
    values: dict[str, str] = {}
    for status in FINAL_STATUSES:
        orders, cents = counted.get(status, (0, 0))
        values[f"total:{status}"] = str(orders)
        values[f"total_cents:{status}"] = str(cents)
    return values
