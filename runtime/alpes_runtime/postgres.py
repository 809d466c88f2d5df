"""PostgreSQL behind the `Database` protocol: one connection, opened when needed, errors translated once, here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.types.array import ListBinaryDumper

from ._compute_lock import ComputeLock
from .database import Row
from .errors import BadData, Unavailable

CONNECT_OPTIONS: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "options": (
        "-c statement_timeout=25s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s -c timezone=UTC"
    ),
}
"""A silent peer is noticed within 30 s, no statement keeps the function for longer, and a client that is gone or
stopped in the middle of a transaction keeps nobody else for longer than a minute."""
STREAM_ROWS = 5_000
"""Rows fetched at a time by `stream`."""
MESSAGE_FAULTS = ("21", "22", "23", "54")
"""Classes of SQLSTATE that values can cause: cardinality, data, integrity, program limits. The rest is the system's."""
PASSED_OVER = "25P02"
"""A statement had failed before, and the handler goes on as if nothing were."""


class Postgres:
    """One connection to one database; used by one thread.

    Parameters
    ----------
    dsn
        Connection string; never logged.
    application
        Shown in ``pg_stat_activity``.
    lock
        Held by the caller, released while the server works. None where the caller holds none.
    """

    def __init__(self, dsn: str, application: str, lock: ComputeLock | None = None) -> None:
        self._dsn = dsn
        self._application = application
        self._lock = lock
        self._connection: psycopg.Connection[Row] | None = None

    @contextmanager
    def transaction(self) -> Iterator["PostgresTransaction"]:
        """Open a transaction; see `Database.transaction`."""
        connection = self._connected()
        transaction = PostgresTransaction(connection, self._lock)
        try:
            transaction.run("BEGIN")
            yield transaction
            transaction.run("COMMIT")
        except Unavailable:
            self.close()
            raise
        except BaseException:
            self._roll_back(connection)
            raise

    def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            with _released(self._lock), translated("connecting"):
                self._connection = psycopg.connect(
                    self._dsn, autocommit=True, application_name=self._application, **CONNECT_OPTIONS
                )
                send_lists_in_binary(self._connection)
        return self._connection

    def _roll_back(self, connection: psycopg.Connection[Row]) -> None:
        try:
            with _released(self._lock):
                connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()


class PostgresTransaction:
    """A transaction on a connection in autocommit mode, framed by our own BEGIN and COMMIT."""

    def __init__(self, connection: psycopg.Connection[Row], lock: ComputeLock | None) -> None:
        self._connection = connection
        self._cursor = connection.cursor(binary=True)
        self._streams: list[psycopg.ServerCursor[Row]] = []
        self._lock = lock

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement and return its rows; see `Transaction.execute`."""
        with _released(self._lock), translated("a statement"):
            self._cursor.execute(query.encode(), params)
            return self._cursor.fetchall() if self._cursor.description else []

    def stream(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Yield a query's rows in constant memory; see `Transaction.stream`."""
        with translated("a query"), self._connection.cursor("stream", binary=True) as cursor:
            with _released(self._lock):
                cursor.execute(query.encode(), params)
            self._streams.append(cursor)
            try:
                # The lock is released while rows are fetched, never while whoever reads them computes.
                while rows := self._fetched(cursor):
                    yield from rows
            finally:
                self._streams.remove(cursor)

    def _fetched(self, cursor: psycopg.ServerCursor[Row]) -> list[Row]:
        with _released(self._lock):
            return cursor.fetchmany(STREAM_ROWS)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo on an exception what was done since; see `Transaction.savepoint`."""
        self.run("SAVEPOINT parte")
        try:
            yield
            self.run("RELEASE SAVEPOINT parte")
        except Unavailable:
            raise
        except Exception:
            # With the savepoint the database drops them: what then still wanted to close one would fail.
            for stream in self._streams:
                stream.close()
            self.run("ROLLBACK TO SAVEPOINT parte")
            self.run("RELEASE SAVEPOINT parte")
            raise

    def run(self, command: str) -> None:
        """Run BEGIN, COMMIT or another that steers the transaction.

        Raises `BadData` where a statement had failed and the handler went on regardless.
        """
        # Through libpq at once: what the driver does for parameters and rows would cost twice as much again.
        with _released(self._lock), translated(command):
            done = self._connection.pgconn.exec_(command.encode())
            if done.status != psycopg.pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(done, self._connection.info.encoding)
        if done.command_status != command.split(maxsplit=1)[0].encode():
            # PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and no error.
            answer = (done.command_status or b"").decode()
            raise BadData(f"{command} was answered with {answer}: a statement before it had failed")


def send_lists_in_binary(connection: psycopg.Connection[Any]) -> None:
    """Have the connection send lists in binary: in text, each element is searched for what has to be quoted."""
    connection.adapters.register_dumper(list, ListBinaryDumper)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate or ""
        if state[:2] in MESSAGE_FAULTS or state == PASSED_OVER or (not state and isinstance(error, psycopg.DataError)):
            raise BadData(f"PostgreSQL refused a value ({state or type(error).__name__}): {error}") from error
        raise Unavailable(f"PostgreSQL, {doing}: {state or type(error).__name__} {_first_line(error)}") from error


@contextmanager
def _released(lock: ComputeLock | None) -> Iterator[None]:
    if lock is None:
        yield
    else:
        with lock.released():
            yield


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
