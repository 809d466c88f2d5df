"""Asks PostgreSQL which orders have ended, when each was committed, how many shared a commit, and how tables grow."""

from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from alpes_runtime import load_queries
from bench.errors import NotReachableError
from bench.hops import NEVER, blank
from bench.workload import LAST, Workload

STEP = 500
"""How many orders are counted at a time. A step whose orders have all ended is not counted again."""

SQL = load_queries(Path(__file__).with_name("sql") / "tables.sql")
COMMITTED_BY = {
    "crear-orden": "ordenes",
    "orden-creada": "pagos",
    "transaccion-creada": "ordenes",
    "orden-actualizada": "reporting",
}
"""The service that commits a topic's messages."""
SHOWN = ("synchronous_commit", "fsync", "shared_buffers", "max_wal_size", "full_page_writes", "track_commit_timestamp")


class Lag(NamedTuple):
    """How far the state store is behind the tables.

    Attributes
    ----------
    keys
        How many changes are still to be written.
    age_s
        Age of the oldest of them, in seconds.
    """

    keys: int
    age_s: float


class Commits(NamedTuple):
    """How the messages of one topic were committed.

    Attributes
    ----------
    rows
        How many rows were written, one for each message.
    commits
        How many transactions wrote them.
    """

    rows: int
    commits: int


class Tables:
    """Read-only questions to the services' databases, over one connection for each service."""

    def __init__(self, connections: Mapping[str, "psycopg.Connection[Any]"]) -> None:
        self._connections = connections

    def ask(self, service: str, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return the rows of a query of `SQL`."""
        return self._connections[service].execute(SQL[query].encode(), parameters).fetchall()

    def orders(self, service: str) -> int:
        """Return how many orders Ordenes has recorded, or Reporting has seen the end of."""
        return int(self.ask(service, "orders")[0][0])

    def shown(self, setting: str) -> str:
        """Return one of the server's settings."""
        row = self._connections["ordenes"].execute(f"SHOW {setting}".encode()).fetchone()
        return str(row[0]) if row else ""

    def keeps_commit_times(self) -> bool:
        """Return whether PostgreSQL stores when each row is committed."""
        return self.shown("track_commit_timestamp") == "on"

    def row_times(self, workload: Workload) -> "array[int]":
        """Return when each order's row at Reporting was committed, in Unix microseconds, by the order's number."""
        found = blank(workload.orders)
        for order_id, at in self.ask("reporting", "row_times", _all_of(workload)):
            number = workload.number_of(order_id)
            if number is not None:
                found[number] = NEVER if at is None else at
        return found

    def commits(self, workload: Workload) -> dict[str, Commits]:
        """Return how a run's rows were committed, by the topic of the messages."""
        return {
            name: Commits(*self.ask(service, f"commits_{name.replace('-', '_')}", _all_of(workload))[0])
            for name, service in COMMITTED_BY.items()
        }

    def lag(self, *, keys: bool = True) -> Lag:
        """Return how far the state store is behind. Counting the keys reads all marks, and so takes longer."""
        return Lag(*self.ask("ordenes", "lag" if keys else "lag_age")[0])

    def figures(self) -> dict[str, Any]:
        """Return the cumulative statistics of each database and its tables. Idle backends report seconds late."""
        found: dict[str, Any] = {}
        for service in self._connections:
            names = ("commits", "rollbacks", "inserted", "updated", "deadlocks")
            figures: dict[str, Any] = dict(zip(names, self.ask(service, "activity")[0], strict=True))
            columns = ("bytes", "live", "dead", "inserted", "updated", "hot_updated", "autovacuums")
            figures["tables"] = {
                name: dict(zip(columns, values, strict=True)) for name, *values in self.ask(service, "sizes")
            }
            found[service] = figures
        found["wal_bytes"] = int(self.ask("ordenes", "wal")[0][0])
        return found

    def bytes_by_table(self) -> dict[str, int]:
        """Return the size of each table with its indexes, as ``service.table``."""
        return {
            f"{service}.{row[0]}": int(row[1]) for service in self._connections for row in self.ask(service, "sizes")
        }

    def settings(self) -> dict[str, str]:
        """Return PostgreSQL's version, and the settings on which figures depend."""
        return {name: self.shown(name) for name in ("server_version", *SHOWN)}


class Progress:
    """Counts the orders of a run that have ended at Reporting, step by step, so that counting costs little."""

    def __init__(self, tables: Tables, workload: Workload) -> None:
        self._tables = tables
        self._ids = [workload.id_of(number) for number in workload.distinct()]
        self._whole = 0

    @property
    def orders(self) -> int:
        """The number of the run's orders."""
        return len(self._ids)

    def ended(self) -> int:
        """Return how many orders have ended, up to and including the first step that hasn't ended whole."""
        while self._whole < len(self._ids):
            step = self._ids[self._whole : self._whole + STEP]
            count = int(self._tables.ask("reporting", "ended", {"first": step[0], "last": step[-1]})[0][0])
            if count < len(step):
                return self._whole + count
            self._whole += len(step)
        return self._whole


def _all_of(workload: Workload) -> dict[str, str]:
    return {"first": workload.prefix, "last": workload.prefix + LAST}


@contextmanager
def opened(dsns: Mapping[str, str]) -> Iterator[Tables]:
    """Connect to the databases.

    Raises
    ------
    NotReachableError
        A database can't be reached.
    """
    connections: dict[str, psycopg.Connection[Any]] = {}
    try:
        for service, dsn in dsns.items():
            connections[service] = psycopg.connect(
                dsn, autocommit=True, connect_timeout=5, application_name="alpes bench"
            )
        yield Tables(connections)
    except psycopg.OperationalError as error:
        words = " ".join(str(error).split())
        raise NotReachableError(f"PostgreSQL can't be reached ({words}): see ./deploy.sh status") from error
    finally:
        for connection in connections.values():
            connection.close()


def growth(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return by how much each figure of `Tables.figures` grew. Pure."""
    grown: dict[str, Any] = {}
    for name, end in after.items():
        start = before.get(name, {} if isinstance(end, Mapping) else 0)
        grown[name] = growth(start, end) if isinstance(end, Mapping) else end - start
    return grown
