"""The database that the runtime and the stores use, and its query parameters; `postgres` has the real one."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

Row = tuple[Any, ...]
N = TypeVar("N", bound=NamedTuple)


class Transaction(Protocol):
    """An open transaction at READ COMMITTED."""

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement and return its rows; the list is empty for a statement that returns none.

        Raises
        ------
        Unavailable
            The database is away or a new attempt may succeed (connection lost, deadlock, disk full).
        BadData
            The database refuses the values.
        """
        ...

    def stream(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query and yield its rows in constant memory, all from one snapshot."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Return a context that is undone on an exception; the transaction can go on. Savepoints can't be nested.

        Raises
        ------
        Unavailable
            The transaction is gone.
        BadData
            At its end, if a statement in it had failed and the handler ignored that.
        """
        ...


class Database(Protocol):
    """Opens transactions, connecting when needed."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Return a context that commits at its end and rolls back on an exception.

        Raises
        ------
        Unavailable
            At its start or end. At its end the transaction may or may not have been committed: do it again.
        """
        ...

    def close(self) -> None:
        """Close the connection; a later transaction opens a new one."""
        ...


def first_of_each(batch: Iterable[N]) -> dict[str, N]:
    """Return the first value of each key, by key; a value's first field is its key.

    The values are sorted by key, so that all instances lock rows in the same order.
    """
    first: dict[str, N] = {}
    for value in batch:
        first.setdefault(value[0], value)
    return dict(sorted(first.items()))


def columns(rows: Iterable[N], kind: type[N]) -> dict[str, Sequence[Any]]:
    """Return the rows' values by field name: the parameters of a query that unnests them."""
    values = list(zip(*rows, strict=True)) or [()] * len(kind._fields)
    return {name: list(column) for name, column in zip(kind._fields, values, strict=True)}
