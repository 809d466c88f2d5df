"""Reads a report's tables from Reporting's database: all of one moment, and a few rows at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from alpes_runtime import load_queries
from alpes_runtime.postgres import CONNECT_OPTIONS
from functions.reporting.formats import Table

from . import columns
from .errors import ReportRefused
from .kinds import SQL, Kind, parameters
from .request import Request

FETCH_ROWS = 1_000
"""Rows fetched at a time: so few that the server works for some milliseconds and then rests."""
GRACE_S = 30
"""A report is given up from outside first; then the server still ends its statement."""
_REST = load_queries(SQL / "reporte.sql")["rest"]
_OPTIONS = (
    "-c statement_timeout={ms} -c idle_in_transaction_session_timeout={ms} -c lock_timeout=20s -c timezone=UTC "
    "-c cursor_tuple_fraction=1 -c max_parallel_workers_per_gather=0 -c jit=off -c client_connection_check_interval=5s"
)
"""One process of the server and no more, since the others have orders to write; it ends soon after ours."""


class Rows:
    """The tables of one report.

    Parameters
    ----------
    connection
        In a transaction that sees one moment.
    request
        What is asked for.
    alive
        Called for each group of rows.
    """

    def __init__(self, connection: psycopg.Connection[Any], request: Request, alive: Callable[[], None]) -> None:
        self._connection = connection
        self._request = request
        self._periodo = request.periodo()
        self._alive = alive
        self._tables = 0

    def table(self, kind: Kind) -> Table:
        """Return the table of a kind of report.

        Raises
        ------
        ReportRefused
            The kind has no such filter, or the filter no such value.
        """
        values = parameters(kind, self._periodo, self._request.filters)
        self._tables += 1
        name = f"reporte_{self._tables}"
        cursor = self._connection.cursor(name, binary=True)
        try:
            cursor.execute(kind.query.encode(), values)
        except psycopg.DataError as error:
            raise ReportRefused(f"PostgreSQL refuses a filter's value: {str(error).splitlines()[0]}") from error
        described = [(column.name, column.type_code) for column in cursor.description or ()]
        stream = _Stream(cursor, name, self._alive)
        rows = columns.values(described, stream.rows(), self._periodo.zone)
        return Table(columns.columns(described), rows, stream.rest)


class _Stream:
    def __init__(self, cursor: psycopg.ServerCursor[Any], name: str, alive: Callable[[], None]) -> None:
        self._cursor = cursor
        self._name = name
        self._alive = alive
        self._untaken = 0

    def rows(self) -> Iterator[Sequence[Any]]:
        while fetched := self._cursor.fetchmany(FETCH_ROWS):
            self._alive()
            for self._untaken, row in zip(range(len(fetched) - 1, -1, -1), fetched, strict=True):
                yield row

    def rest(self) -> int:
        query = sql.SQL(_REST).format(cursor=sql.Identifier(self._name))
        passed = self._cursor.connection.execute(query).statusmessage or ""
        return self._untaken + int(passed.rpartition(" ")[2] or 0)


@contextmanager
def opened(request: Request, alive: Callable[[], None]) -> Iterator[Rows]:
    """Connect to the database for the length of a report."""
    options = _OPTIONS.format(ms=round(1000 * (request.seconds + GRACE_S)))
    with psycopg.connect(
        request.dsn, application_name=request.application, **{**CONNECT_OPTIONS, "options": options}
    ) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield Rows(connection, request, alive)
        connection.rollback()
