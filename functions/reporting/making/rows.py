"""Reads a report's tables from Reporting's database: all of one moment, and a few rows at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from alpes_runtime import load_queries
from alpes_runtime.postgres import conninfo
from functions.reporting.formats import Table
from schemas.tienda import money

from . import columns
from .errors import ReportRefused
from .kinds import SQL, Kind, parameters
from .request import Request

FETCH_ROWS = 1_000
"""Rows fetched at a time: so few that the server works for some milliseconds and then rests."""
GRACE_S = 30
"""A report is given up from outside first; then the server still ends its statement."""
_SQL = load_queries(SQL / "reporte.sql")
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
            The kind has no such filter, or the filter no such value. Some values are refused with the first row.
        """
        values = parameters(kind, self._periodo, self._request.filters)
        if currency := self._request.filters.get("currency"):
            self._require_known(currency)
        self._tables += 1
        name = f"reporte_{self._tables}"
        cursor = self._connection.cursor(name, binary=True)
        with _refused():
            cursor.execute(kind.query.encode(), values)
        described = [(column.name, column.type_code) for column in cursor.description or ()]
        stream = _Stream(cursor, name, self._alive)
        rows = columns.values(described, stream.rows(), self._periodo.zone)
        return Table(columns.columns(described), rows, stream.rest)

    def _require_known(self, currency: str) -> None:
        if money.is_current(currency):
            return
        ((known,),) = self._connection.execute(_SQL["currency_known"].encode(), {"currency": currency})
        if not known:
            raise ReportRefused(
                f"the filter's currency is {currency!r}: ISO 4217 doesn't have it, and no order is in it"
            )


@contextmanager
def _refused() -> Iterator[None]:
    """Say of a value that PostgreSQL doesn't take, such as a zone that it hasn't, that who asked has to change it."""
    try:
        yield
    except psycopg.DataError as error:
        raise ReportRefused(f"PostgreSQL refuses a filter's value or the zone: {str(error).splitlines()[0]}") from error


class _Stream:
    def __init__(self, cursor: psycopg.ServerCursor[Any], name: str, alive: Callable[[], None]) -> None:
        self._cursor = cursor
        self._name = name
        self._alive = alive
        self._untaken = 0

    def rows(self) -> Iterator[Sequence[Any]]:
        while fetched := self._fetched():
            self._alive()
            for self._untaken, row in zip(range(len(fetched) - 1, -1, -1), fetched, strict=True):
                yield row

    def _fetched(self) -> list[Sequence[Any]]:
        with _refused():
            return self._cursor.fetchmany(FETCH_ROWS)

    def rest(self) -> int:
        query = sql.SQL(_SQL["rest"]).format(cursor=sql.Identifier(self._name))
        with _refused():
            passed = self._cursor.connection.execute(query).statusmessage or ""
        return self._untaken + int(passed.rpartition(" ")[2] or 0)


@contextmanager
def opened(request: Request, alive: Callable[[], None]) -> Iterator[Rows]:
    """Connect to the database for the length of a report."""
    options = _OPTIONS.format(ms=round(1000 * (request.seconds + GRACE_S)))
    with psycopg.connect(conninfo(request.dsn, request.application, options)) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield Rows(connection, request, alive)
        connection.rollback()
