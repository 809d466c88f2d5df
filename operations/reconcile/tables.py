"""Reads the three databases: all rows, each database's as of one moment, or some orders' rows. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import psycopg

from operations.database import database, dsn_variable
from operations.errors import NoDatabaseError
from operations.queries import query
from operations.reconcile.merge import Rows, merged
from schemas.tienda.topics import SERVICES

READ_ORDER = tuple(reversed(SERVICES))
"""Services are read against the flow: what one of them has was in the next one before."""
FETCHED_ROWS = 10_000


class WrongTotal(NamedTuple):
    """A running total of Reporting that differs from its rows: what is kept, and what a full count gives."""

    status: str
    currency: str
    orders: int
    counted_orders: int
    total_cents: int
    counted_cents: int


class Tables:
    """The three databases.

    Parameters
    ----------
    connections
        A connection for each service.
    """

    def __init__(self, connections: Mapping[str, psycopg.Connection]) -> None:
        self._connections = connections

    @classmethod
    @contextmanager
    def opened(cls, dsns: Mapping[str, str | None], *, statement_timeout_s: int) -> Iterator[Tables]:
        """Connect to all three for the length of a `with` block; see `operations.database.database`.

        Raises
        ------
        NoDatabaseError
            Also if one of them is a standby.
        """
        with ExitStack() as stack:
            connections = {}
            for service in READ_ORDER:
                opening = database(service, dsns[service], statement_timeout_s=statement_timeout_s)
                connection = stack.enter_context(opening)
                connection.execute(query(None, "reconcile/settings"))
                _require_primary(service, connection)
                connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                connection.read_only = True
                connections[service] = connection
            yield cls(connections)

    @contextmanager
    def snapshot(self) -> Iterator[Iterator[Rows]]:
        """Yield an iterator over all orders by id, each database as of one moment."""
        with ExitStack() as stack:
            for service in READ_ORDER:
                stack.enter_context(self._connections[service].transaction())
                # The first statement sets the moment.
                self._connections[service].execute(b"SELECT 1")
            ordenes, pagos, reporting = (stack.enter_context(self._stream(service)) for service in SERVICES)
            yield merged(ordenes, pagos, reporting)

    @contextmanager
    def _stream(self, service: str) -> Iterator[Iterator[Any]]:
        with self._connections[service].cursor(name=f"alpes_reconcile_{service}") as cursor:
            cursor.itersize = FETCHED_ROWS
            cursor.execute(query(service, "reconcile/all"))
            yield iter(cursor)

    def wrong_totals(self) -> list[WrongTotal]:
        """Count Reporting's rows and return the totals that differ; within `snapshot`, at the same moment."""
        rows = self._connections["reporting"].execute(query("reporting", "reconcile/wrong_totals")).fetchall()
        return [WrongTotal(*row[:4], *map(int, row[4:])) for row in rows]

    def some(self, ids: Sequence[str]) -> Iterator[Rows]:
        """Return some orders as they are now, by id; those that no database has are left out."""
        found = {service: self._rows(service, "reconcile/some", ids) for service in READ_ORDER}
        return merged(found["ordenes"], found["pagos"], found["reporting"])

    def timed(self, ids: Sequence[str]) -> set[str]:
        """Return those of some orders that a timer will look at."""
        return {row[0] for row in self._rows("ordenes", "reconcile/timed", ids)}

    def _rows(self, service: str, name: str, ids: Sequence[str]) -> list[Any]:
        connection = self._connections[service]
        with connection.transaction():
            return connection.execute(query(service, name), {"ids": list(ids)}).fetchall()


def _require_primary(service: str, connection: psycopg.Connection) -> None:
    if connection.execute(query(None, "reconcile/is_standby")).fetchone() == (True,):
        raise NoDatabaseError(
            f"{dsn_variable(service)} names a standby, which shows rows late: an order that has just moved on would"
            " seem lost. Name the primary."
        )
