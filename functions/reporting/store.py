"""The read model in PostgreSQL."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path

from alpes_runtime import Transaction, load_queries
from alpes_runtime.database import columns
from schemas.tienda.cambios import Cambio, Newest
from schemas.tienda.orden import FINAL_STATUSES

_SQL = load_queries(Path(__file__).with_name("sql") / "ordenes.sql")

FORMER_TOTALS = tuple(f"total_cents:{status}" for status in FINAL_STATUSES)
"""Keys of 0.1.0: sums over all currencies, which mean nothing."""


def keep_newest(transaction: Transaction, batch: Sequence[Cambio]) -> None:
    """Write the orders whose version is higher than the stored one."""
    newest = Newest()
    for change in batch:
        newest.add(change)
    transaction.execute(_SQL["upsert"], columns(sorted(newest.take(), key=attrgetter("id")), Cambio))


def totals(transaction: Transaction) -> Mapping[str, str]:
    """Return the totals for the state store.

    ``total:<status>`` is the number of orders, and ``total_cents:<status>:<currency>`` the sum of their amounts, for
    every currency that has or had an order. ``currencies`` names these: keys of the state store can't be listed.
    """
    kept = {
        (status, currency): (orders, cents) for status, currency, orders, cents in transaction.execute(_SQL["totals"])
    }
    currencies = sorted({currency for _, currency in kept})
    values = {"currencies": " ".join(currencies)} if currencies else {}
    for status in FINAL_STATUSES:
        values[f"total:{status}"] = str(sum(orders for (name, _), (orders, _) in kept.items() if name == status))
        for currency in currencies:
            values[f"total_cents:{status}:{currency}"] = str(kept.get((status, currency), (0, 0))[1])
    return values
