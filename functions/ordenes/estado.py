"""Marks of orders whose status the state store still lacks: the SQL behind the runtime's write-behind view."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from alpes_runtime import Transaction, load_queries
from alpes_runtime.views import Mark, Versioned

_SQL = load_queries(Path(__file__).with_name("sql") / "ordenes.sql")


class EstadoMarks:
    """Marks in the table ``estado_pendiente``, values from ``ordenes``; see `Marks`."""

    def announce(self, transaction: Transaction, most: int) -> Mapping[int, Mark]:
        """Record that the writing of up to ``most`` marks begins, and return these marks."""
        rows = transaction.execute(_SQL["announce_marks"], {"most": most})
        return {mark: Mark(order_ids, tried) for mark, order_ids, tried in rows}

    def hold(self, transaction: Transaction, marks: Iterable[int]) -> Collection[int]:
        """Lock those of the marks that nobody else holds, and return their ids."""
        return [row[0] for row in transaction.execute(_SQL["hold_marks"], {"marks": list(marks)})]

    def current(self, transaction: Transaction, keys: Sequence[str]) -> Mapping[str, Versioned]:
        """Return the orders' present status."""
        rows = transaction.execute(_SQL["current_status"], {"ids": keys})
        return {order_id: Versioned(version, status) for order_id, version, status in rows}

    def clear(self, transaction: Transaction, marks: Iterable[int]) -> None:
        """Remove marks."""
        transaction.execute(_SQL["clear_marks"], {"marks": list(marks)})

    def lag(self, transaction: Transaction) -> tuple[int, float]:
        """Return how many changes are marked, and the age of the oldest in seconds."""
        ((changes, seconds),) = transaction.execute(_SQL["lag"])
        return changes, seconds
