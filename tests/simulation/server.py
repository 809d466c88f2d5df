"""PostgreSQL in memory: READ COMMITTED, row locks that are waited for, deadlocks, and failures.

Each statement sees what was committed when it began, and its own transaction's writes. A row that another open
transaction has written is waited for; then the statement goes on with that row as it was left (PostgreSQL rechecks it).
Two hooks decide what happens in between: `pause`, called before every step, and `until`, called when a step must wait.
tests/integration/test_simulated_server.py compares it with the real server, and test_simulated_locks.py with several
open transactions.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

from alpes_runtime.database import Row
from alpes_runtime.errors import BadData, Unavailable

Table = dict[Any, dict[str, Any]]
Statement = Callable[["View", Mapping[str, Any]], list[Row]]
"""What a query does."""
Steps = Callable[[str], None]
Until = Callable[[Callable[[], bool], str], None]


def _at_once(holds: Callable[[], bool], what: str) -> None:
    if not holds():
        raise AssertionError(f"nothing else runs, so this would wait for ever: {what}")


class Server:
    """The tables of one service, and their open transactions.

    Parameters
    ----------
    statements
        What each query does, by its text.
    clock_ms
        The server's clock, in Unix milliseconds.
    pause
        Called before each step with its name: ``begin``, ``statement``, ``commit``, and ``answer`` after a commit.
    until
        Called with a condition that has to hold before a step goes on, and what it waits for.
    """

    def __init__(
        self,
        statements: Mapping[str, Statement],
        clock_ms: Callable[[], int],
        pause: Steps = lambda _step: None,
        until: Until = _at_once,
    ) -> None:
        self.tables: dict[str, Table] = {}
        self.statements = statements
        self.clock_ms = clock_ms
        self.pause = pause
        self.until = until
        self.away = False
        self.refused: set[Any] = set()
        self.fail_commit: Callable[[], str] = lambda: ""
        self.on_commit: Callable[[Mapping[tuple[str, Any], dict[str, Any] | None]], None] = lambda _written: None
        self.deadlock: Callable[[], bool] = lambda: False
        self.commits = 0
        self.deadlocks = 0
        self.locks: dict[tuple[str, Any], OpenTransaction] = {}
        self.open: list[OpenTransaction] = []
        self.sequences: dict[str, int] = {}

    def connect(self, application: str) -> "Connection":
        """Return a connection of that name."""
        return Connection(self, application)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table's committed rows by key."""
        found = self.tables.get(table, {})
        return [found[key] for key in sorted(found)]

    def drop(self, connection: "Connection") -> None:
        """Roll back a connection's open transaction, as when its client has gone."""
        for transaction in [each for each in self.open if each.connection is connection]:
            transaction.end()

    def restart(self) -> None:
        """Roll back all open transactions; their clients learn of it at their next steps."""
        for transaction in list(self.open):
            transaction.end()


class Connection:
    """One client's connection; see `Database`."""

    def __init__(self, server: Server, application: str) -> None:
        self.server = server
        self.application = application

    def transaction(self) -> "OpenTransaction":
        """Open a transaction; see `Database.transaction`."""
        return OpenTransaction(self)

    def pause(self, step: str) -> None:
        """Stop before a step of a transaction; see `Server`."""
        self.server.pause(step)

    def close(self) -> None:
        """Close the connection, and roll back its open transaction."""
        self.server.drop(self)


class OpenTransaction:
    """A transaction, open within its ``with``; see `Transaction`."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.server = connection.server
        self.now_ms = 0
        self.written: dict[tuple[str, Any], dict[str, Any] | None] = {}
        self.failed = False
        self.waits_for: OpenTransaction | None = None
        self.running: View | None = None
        self.activity: list[tuple[str, int]] | None = None
        self._locked: list[tuple[str, Any]] = []
        self._ended = False

    def __enter__(self) -> Self:
        server = self.server
        self.connection.pause("begin")
        if server.away:
            raise Unavailable("the database is away")
        self.now_ms = server.clock_ms()
        server.open.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._commit()
        finally:
            self.end()
        if kind is None:
            self.connection.pause("answer")

    def _commit(self) -> None:
        self.connection.pause("commit")
        self.check_alive()
        how = self.server.fail_commit()
        if how == "lost":
            raise Unavailable("the connection broke before the commit")
        self.commit()
        if how == "unanswered":
            raise Unavailable("the connection broke after the commit")

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement; see `Transaction.execute`."""
        self.connection.pause("statement")
        self.check_alive()
        if self.failed:
            raise BadData("the transaction has failed already")
        if self.server.deadlock():
            self.failed = True
            self.server.deadlocks += 1
            raise Unavailable("deadlock detected")
        values = params or {}
        if self.server.refused and any(_mentions(value, self.server.refused) for value in values.values()):
            self.failed = True
            raise BadData("the database refuses a value")
        self.running = View(self)
        try:
            return self.server.statements[query](self.running, values)
        except Unavailable:
            self.failed = True
            raise
        finally:
            self.running = None

    def stream(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query and yield its rows; see `Transaction.stream`."""
        yield from self.execute(query, params)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """On an exception, undo what was done since; see `Transaction.savepoint`."""
        self.check_alive()
        written, locked = dict(self.written), list(self._locked)
        try:
            yield
            if self.failed:
                raise BadData("a statement before had failed")
        except Unavailable:
            raise
        except Exception:
            self.connection.pause("undo")
            self.check_alive()
            for place in set(self._locked).difference(locked):
                del self.server.locks[place]
            self.written, self._locked, self.failed = written, locked, False
            raise

    def check_alive(self) -> None:
        """Raise `Unavailable` if the server has ended the transaction meanwhile."""
        if self._ended or self.server.away:
            self.end()
            raise Unavailable("the database ended the connection")

    def commit(self) -> None:
        """Make everything visible to statements that begin from now on."""
        if self.failed:
            raise BadData("COMMIT was answered with ROLLBACK: a statement before it had failed")
        running = [other.running for other in self.server.open if other is not self and other.running is not None]
        for (table, key), row in self.written.items():
            rows = self.server.tables.setdefault(table, {})
            for view in running:
                view.keep(table, key, rows.get(key))
            if row is None:
                rows.pop(key, None)
            else:
                rows[key] = row
        self.server.commits += 1
        self.server.on_commit(self.written)

    def end(self) -> None:
        """Release the locks, and drop what isn't committed."""
        if not self._ended:
            self._ended = True
            self.server.open.remove(self)
            for place in self._locked:
                self.server.locks.pop(place, None)

    def lock(self, place: tuple[str, Any]) -> None:
        """Lock a row that no other transaction holds, until the end or until the lock is undone."""
        if self.server.locks.get(place) is not self:
            self.server.locks[place] = self
            self._locked.append(place)

    @property
    def ended(self) -> bool:
        """Whether it was committed or rolled back."""
        return self._ended


class View:
    """What one statement sees, and what it may do."""

    def __init__(self, transaction: OpenTransaction) -> None:
        self._transaction = transaction
        self._server = transaction.server
        self._before: dict[tuple[str, Any], dict[str, Any] | None] = {}

    @property
    def now_ms(self) -> int:
        """``now()``: the transaction's start."""
        return self._transaction.now_ms

    @property
    def clock_ms(self) -> int:
        """``clock_timestamp()``."""
        return self._server.clock_ms()

    def keep(self, table: str, key: Any, row: dict[str, Any] | None) -> None:
        """Remember a row as it was when the statement began, before another commit changes it."""
        self._before.setdefault((table, key), row)

    def get(self, table: str, key: Any) -> dict[str, Any] | None:
        """Return a row as the statement sees it."""
        place = (table, key)
        if place in self._transaction.written:
            return self._transaction.written[place]
        if place in self._before:
            return self._before[place]
        return self._server.tables.get(table, {}).get(key)

    def scan(self, table: str) -> list[tuple[Any, dict[str, Any]]]:
        """Return every row of a table as the statement sees it, by key."""
        keys = set(self._server.tables.get(table, {}))
        keys.update(key for name, key in self._before if name == table)
        keys.update(key for name, key in self._transaction.written if name == table)
        seen = ((key, self.get(table, key)) for key in sorted(keys))
        return [(key, row) for key, row in seen if row is not None]

    def lock(self, table: str, key: Any) -> dict[str, Any] | None:
        """Wait until no other transaction holds a row, lock it and return it; None if it is gone by then."""
        self._wait_while(partial(self._holder, table, key), f"{table} {key}")
        if (latest := self._latest(table, key)) is not None:
            self._transaction.lock((table, key))
        return latest

    def insert(self, table: str, key: Any, row: dict[str, Any]) -> bool:
        """Insert a row unless its key is taken; wait for one that is being written, not for one that is locked."""
        self._wait_while(partial(self._writer, table, key), f"{table} {key}")
        if self._latest(table, key) is not None:
            return False
        self.put(table, key, row)
        return True

    def _holder(self, table: str, key: Any) -> OpenTransaction | None:
        holder = self._server.locks.get((table, key))
        return None if holder is self._transaction else holder

    def _writer(self, table: str, key: Any) -> OpenTransaction | None:
        holder = self._holder(table, key)
        return holder if holder is not None and (table, key) in holder.written else None

    def _latest(self, table: str, key: Any) -> dict[str, Any] | None:
        if (table, key) in self._transaction.written:
            return self._transaction.written[table, key]
        return self._server.tables.get(table, {}).get(key)

    def _wait_while(self, in_the_way: Callable[[], OpenTransaction | None], what: str) -> None:
        """Wait until every transaction in the way has ended, or has undone its change since a savepoint."""
        while (other := in_the_way()) is not None:
            self._wait_for(other, in_the_way, what)

    def _wait_for(self, other: OpenTransaction, in_the_way: Callable[[], OpenTransaction | None], what: str) -> None:
        transaction = self._transaction
        transaction.waits_for = other
        try:
            if _circle(transaction):
                self._server.deadlocks += 1
                raise Unavailable("deadlock detected")
            self._server.until(lambda: transaction.ended or in_the_way() is not other, what)
        finally:
            transaction.waits_for = None
        transaction.check_alive()

    def free(self, table: str, key: Any) -> bool:
        """Whether no other transaction holds a row (for SKIP LOCKED)."""
        return self._server.locks.get((table, key)) in (None, self._transaction)

    def put(self, table: str, key: Any, row: dict[str, Any]) -> None:
        """Write a row that is locked or new."""
        self._transaction.lock((table, key))
        self._transaction.written[table, key] = row

    def delete(self, table: str, key: Any) -> None:
        """Delete a row that was locked."""
        self._transaction.written[table, key] = None

    def next_number(self, sequence: str) -> int:
        """Return the next number of a sequence; a rollback leaves a gap."""
        number = self._server.sequences.get(sequence, 0) + 1
        self._server.sequences[sequence] = number
        return number

    def others(self) -> list[tuple[str, int]]:
        """Return name and start of every other connection's open transaction (``pg_stat_activity``).

        As of the first time that the transaction asked: PostgreSQL looks once, and remembers it until the end.
        """
        transaction = self._transaction
        if transaction.activity is None:
            transaction.activity = [
                (each.connection.application, each.now_ms) for each in self._server.open if each is not transaction
            ]
        return transaction.activity

    def forget_others(self) -> None:
        """Look anew the next time (``pg_stat_clear_snapshot()``)."""
        self._transaction.activity = None


def _circle(transaction: OpenTransaction) -> bool:
    seen = transaction.waits_for
    while seen is not None and seen is not transaction:
        seen = seen.waits_for
    return seen is transaction


def _mentions(value: Any, refused: set[Any]) -> bool:
    if isinstance(value, (list, tuple, set)):
        return not refused.isdisjoint(value)
    return value in refused
