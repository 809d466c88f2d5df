"""Measures Reporting's running totals: what they cost its writes, and the time to read and to introduce them."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import psycopg

from alpes_runtime.migrations import migrate
from alpes_runtime.postgres import Postgres
from bench import prefill
from functions.reporting import store
from local_stack.settings import CHECKOUT
from operations.queries import query
from schemas.tienda.cambios import Cambio
from schemas.tienda.orden import FINAL_STATUSES

MIGRATIONS = CHECKOUT / "functions" / "reporting" / "sql" / "migrations"
TOTALS = "0002_totales.sql"
"""The migration that introduces them."""
CURRENCIES = ("USD", "JPY", "KWD")
RECOUNT = ("rebuild/clear_totals", "rebuild/count_totals")
READS = 200
BESIDE_ORDERS, BESIDE_GROUPS, BESIDE_COUNTED = 20, 2_000, 50
"""Orders of a group, groups beside an open report, and those whose pages are counted."""
SWITCH = {True: b"ALTER TABLE ordenes ENABLE TRIGGER USER", False: b"ALTER TABLE ordenes DISABLE TRIGGER USER"}


class Cost(NamedTuple):
    """What writing an order costs: microseconds that pass, and CPU of PostgreSQL's process. Others slow the first."""

    wall_us: float
    cpu_us: float


class Written(NamedTuple):
    """What Reporting's own statement costs per order in groups of this size, without and with the totals: medians."""

    group: int
    without: Cost
    with_totals: Cost


class Measured(NamedTuple):
    """The figures at one size of the table.

    Attributes
    ----------
    rows
        Orders in the table before anything was written.
    migration_s
        How long writers waited for the migration that counts them.
    read_ms, count_ms
        How long it takes to read the totals, and to count the rows instead.
    written
        By the number of orders in a group.
    pages_at_rest, pages_beside
        Pages of the totals that a group of `BESIDE_ORDERS` reads, without adding up: without a report, and after
        `BESIDE_GROUPS` groups beside an open one.
    """

    rows: int
    migration_s: float
    read_ms: float
    count_ms: float
    written: list[Written]
    pages_at_rest: float
    pages_beside: float


def measure(dsn: str, rows: int, groups: list[int], *, rounds: int, seconds: float) -> Measured:
    """Measure at one size.

    Parameters
    ----------
    dsn
        An empty database that the role owns.
    rows
        Orders that the table has before the totals are introduced.
    groups
        How many orders share a transaction, one after the other.
    rounds
        Pairs of a round without and a round with the triggers. Their order alternates.
    seconds
        Length of a round.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in MIGRATIONS.glob("*.sql"):
            if path.name < TOTALS:
                shutil.copy(path, folder)
        migrate(dsn, folder)
        prefill.fill({"reporting": dsn}, rows)
        shutil.copy(MIGRATIONS / TOTALS, folder)
        migration_s = _timed(lambda: migrate(dsn, folder))
    migrate(dsn, MIGRATIONS)
    database = Postgres(dsn, "alpes bench")
    fresh = _changes()
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            at_rest, beside = _pages(dsn, connection, database, fresh)
            written = [_written(connection, database, fresh, group, rounds, seconds) for group in groups]
            if not rows:
                connection.execute("TRUNCATE ordenes")
            connection.execute("VACUUM (ANALYZE) ordenes")
            read_ms = 1000 * median(_timed(lambda: _read(database)) for _ in range(READS))
            count_ms = 1000 * _timed(lambda: connection.execute("SELECT count(*), sum(total_cents) FROM ordenes"))
    finally:
        database.close()
    return Measured(rows, migration_s, read_ms, count_ms, written, at_rest, beside)


@contextmanager
def switched_off(dsn: str) -> Iterator[None]:
    """Keep no totals meanwhile, and count them anew at the end."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(SWITCH[False])
        try:
            yield
        finally:
            with connection.transaction():
                connection.execute(SWITCH[True])
                for statement in RECOUNT:
                    connection.execute(query("reporting", statement))


def _written(
    connection: psycopg.Connection, database: Postgres, fresh: Iterator[Cambio], group: int, rounds: int, seconds: float
) -> Written:
    found: dict[bool, list[Cost]] = {True: [], False: []}
    with database.transaction() as transaction:
        ((pid,),) = transaction.execute("SELECT pg_backend_pid()")
    server = psutil.Process(pid)
    for number in range(rounds):
        for totals in (False, True) if number % 2 else (True, False):
            connection.execute(SWITCH[totals])
            found[totals].append(_cost(database, server, fresh, group, seconds))
    connection.execute(SWITCH[True])
    without, with_totals = (Cost(*map(median, zip(*found[totals], strict=True))) for totals in (False, True))
    return Written(group, without, with_totals)


def _pages(
    dsn: str, connection: psycopg.Connection, database: Postgres, fresh: Iterator[Cambio]
) -> tuple[float, float]:
    """Return how many pages of the totals a group reads: without a report, and beside one that has long been open.

    The medians: a group in some hundred adds up the others' changes, and reads all of them.
    """

    def keep() -> None:
        _keep(database, list(islice(fresh, BESIDE_ORDERS)))

    def read() -> int:
        before = _pages_read(connection, database)
        keep()
        return _pages_read(connection, database) - before

    with psycopg.connect(dsn) as report:
        at_rest = median(read() for _ in range(BESIDE_COUNTED))
        report.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        report.execute("SELECT count(*) FROM ordenes")
        for _ in range(BESIDE_GROUPS):
            keep()
        return at_rest, median(read() for _ in range(BESIDE_COUNTED))


def _pages_read(connection: psycopg.Connection, database: Postgres) -> int:
    with database.transaction() as transaction:
        transaction.execute("SELECT pg_stat_force_next_flush()")
    read = "SELECT heap_blks_read + heap_blks_hit FROM pg_statio_user_tables WHERE relname = 'totales_parciales'"
    row = connection.execute(read.encode()).fetchone()
    return int(row[0]) if row else 0


def _cost(database: Postgres, server: psutil.Process, fresh: Iterator[Cambio], group: int, seconds: float) -> Cost:
    """Commit one group after the other, each order new, as most are."""
    orders, spent, before = 0, 0.0, _cpu_s(server)
    while spent < seconds:
        batch = [next(fresh) for _ in range(group)]
        spent += _timed(lambda batch=batch: _keep(database, batch))  # type: ignore[misc]
        orders += group
    return Cost(1e6 * spent / orders, 1e6 * (_cpu_s(server) - before) / orders)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _keep(database: Postgres, batch: list[Cambio]) -> None:
    with database.transaction() as transaction:
        store.keep_newest(transaction, batch)


def _read(database: Postgres) -> None:
    with database.transaction() as transaction:
        store.totals(transaction)


def _changes() -> Iterator[Cambio]:
    """Yield changes of new orders, of each status and currency alike. Their ids are as random as those of clients."""
    for number in count():
        order_id = f"{number * 2_654_435_761 % 2**32:08x}-{number:08x}"
        status, currency = FINAL_STATUSES[number % 4], CURRENCIES[number % 3]
        yield Cambio(
            order_id, number % 10_000, status, 100 + number % 50_000, currency, 2, 1_767_225_600_000, 1_767_225_600_000
        )


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
