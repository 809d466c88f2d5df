"""What the runtime and the stores ask of a database; `postgres` has the real one."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

Row = tuple[Any, ...]


class Transaction(Protocol):
    """An open transaction at READ COMMITTED."""

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement and return its rows, none for a statement that returns none.

        Raises
        ------
        Unavailable
            The database is away or asks to try again (connection lost, deadlock, disk full).
        BadData
            The database refuses the values themselves.
        """
        ...

    def stream(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query and yield its rows in constant memory, all from one snapshot."""
        ...

    def savepoint(self) -> AbstractContextManager[None]:
        """Return a context that undoes on an exception what was done in it; the transaction can go on. Not nested.

        Raises
        ------
        Unavailable
            The transaction is gone.
        BadData
            At its end, where a statement in it had failed and that was passed over.
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
        """Give the connection back; a later transaction opens a new one."""
        ...
