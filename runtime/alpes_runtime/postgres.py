"""PostgreSQL behind the `Database` protocol: one connection, opened when needed, and the driver's errors translated."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.types.array import ListBinaryDumper

from alpes_wire import dsn as dsns
from alpes_wire.errors import InvalidDsn

from ._compute_lock import ComputeLock
from .database import Row
from .errors import BadData, Misconfigured, Unavailable

_CONNECTION: Mapping[str, Any] = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
OPTIONS = (
    "-c statement_timeout=25s -c lock_timeout=20s -c idle_in_transaction_session_timeout=60s -c timezone=UTC "
    "-c cursor_tuple_fraction=1"
)
"""A silent peer is noticed within 30 s, and no statement takes longer. A client that is gone or suspended within a
transaction blocks others for at most a minute. What `stream` asks for is planned to be read to its end."""
STREAM_ROWS = 5_000
"""Rows fetched at a time by `stream`."""
MESSAGE_FAULTS = ("21", "22", "23", "54")
"""Classes of SQLSTATE that values can cause: cardinality, data, integrity, program limits. Others are system errors."""
PASSED_OVER = "25P02"
"""The SQLSTATE after a handler ignored a failed statement and went on."""


class Postgres:
    """One connection to one database; used by one thread.

    Parameters
    ----------
    dsn
        Connection string; never logged.
    application
        Shown in ``pg_stat_activity``.
    lock
        Held by the caller, and released while the server works; None if the caller holds none.

    Raises
    ------
    Misconfigured
        See `conninfo`.
    """

    def __init__(self, dsn: str, application: str, lock: ComputeLock | None = None) -> None:
        self._conninfo = conninfo(dsn, application)
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
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connected(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            with _released(self._lock), translated("connecting"):
                self._connection = psycopg.connect(self._conninfo, autocommit=True)
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
                # The lock is released only while rows are fetched: the caller computes with them between two fetches.
                while rows := self._fetched(cursor):
                    yield from rows
            finally:
                self._streams.remove(cursor)

    def _fetched(self, cursor: psycopg.ServerCursor[Row]) -> list[Row]:
        with _released(self._lock):
            return cursor.fetchmany(STREAM_ROWS)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo the block on an exception; see `Transaction.savepoint`."""
        self.run("SAVEPOINT parte")
        try:
            yield
            self.run("RELEASE SAVEPOINT parte")
        except Unavailable:
            raise
        except Exception:
            # The rollback drops the server's cursors, and to close one after it would fail.
            for stream in self._streams:
                stream.close()
            self.run("ROLLBACK TO SAVEPOINT parte")
            self.run("RELEASE SAVEPOINT parte")
            raise

    def run(self, command: str) -> None:
        """Run BEGIN, COMMIT or another command that controls the transaction.

        Raises `BadData` if a statement had failed and the handler ignored that.
        """
        # Directly through libpq: the driver's handling of parameters and rows would add twice the cost.
        with _released(self._lock), translated(command):
            done = self._connection.pgconn.exec_(command.encode())
            if done.status != psycopg.pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(done, self._connection.info.encoding)
        if done.command_status != command.split(maxsplit=1)[0].encode():
            # PostgreSQL answers the COMMIT of a failed transaction with ROLLBACK, not with an error.
            answer = (done.command_status or b"").decode()
            raise BadData(f"{command} was answered with {answer}: a statement before it had failed")


def conninfo(dsn: str, application: str, options: str = OPTIONS, **settings: Any) -> str:
    """Return what a function connects with; see `alpes_wire.dsn.conninfo`.

    Raises
    ------
    Misconfigured
        The DSN can't be read.
    """
    try:
        return dsns.conninfo(dsn, application, options, **{**_CONNECTION, **settings})
    except InvalidDsn as error:
        raise Misconfigured(str(error)) from None


def send_lists_in_binary(connection: psycopg.Connection[Any]) -> None:
    """Make the connection send lists in binary: as text, each element would be searched for characters to quote."""
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
