"""`python -m bench totals`: what Reporting's running totals cost, and what they save."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import click
import psycopg

from bench.commands.session import Options, numbers, positive
from bench.system import PORT_OFFSET
from bench.totals import BESIDE_GROUPS, BESIDE_ORDERS, Measured, measure
from local_stack import credentials, postgres
from local_stack.settings import from_environment

SUMMARY = "measure Reporting's running totals on a PostgreSQL alone: the time to read them, and what they cost writes"
OPTIONS = (
    click.Option(["--rows"], type=positive, default=5_000_000, metavar="N", help="Orders of the large table."),
    click.Option(["--groups"], type=numbers, default="1000,100", metavar="N,N", help="Orders of a transaction."),
    click.Option(["--rounds"], type=positive, default=9, metavar="N", help="Pairs of rounds, without and with them."),
    click.Option(["--seconds"], type=positive, default=4, metavar="S", help="Length of a round."),
    click.Option(["--port-offset"], type=int, default=PORT_OFFSET, metavar="N", help="Port offset of its server."),
)


def run(options: Options) -> None:
    """Measure an empty table and a large one."""
    with _server(options.port_offset) as dsn:
        for rows in (0, options.rows):
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
            found = measure(dsn, rows, options.groups, rounds=options.rounds, seconds=options.seconds)
            print("\n".join(_lines(found)), flush=True)


def _lines(found: Measured) -> Iterator[str]:
    yield f"{found.rows:,} rows: the migration took {found.migration_s:.2f} s"
    yield f"  read the totals {found.read_ms:.2f} ms, count the rows {found.count_ms:,.2f} ms"
    yield (
        f"  pages of the totals that a group of {BESIDE_ORDERS} reads: {found.pages_at_rest:.1f}, beside a report "
        f"{BESIDE_GROUPS:,} groups long {found.pages_beside:.1f}"
    )
    for each in found.written:
        pairs = zip(each._fields[1:], each[1:], strict=True)
        costs = "; ".join(
            f"{name.replace('_', ' ')} {cost.wall_us:.2f} µs, CPU {cost.cpu_us:.2f} µs" for name, cost in pairs
        )
        yield f"  an order in groups of {each.group:,}: {costs}"


@contextmanager
def _server(port_offset: int) -> Iterator[str]:
    """Start a PostgreSQL as the local stack does, yield Reporting's DSN, and remove it with its data."""
    with TemporaryDirectory(prefix="alpes-bench-") as home:
        settings = from_environment(os.environ | {"ALPES_HOME": home, "ALPES_PORT_OFFSET": str(port_offset)})
        known = credentials.load_or_make(settings)
        try:
            postgres.start(settings, known)
            yield known.dsn("reporting", settings.ports.postgres)
        finally:
            postgres.stop(settings)
            postgres.remove(settings)
