"""Fills the tables with orders that ended long ago, so that a run shows what large tables cost."""

from collections.abc import Mapping
from pathlib import Path

import psycopg

from alpes_runtime import load_queries
from terminal import progress

CHUNK = 250_000
SQL = load_queries(Path(__file__).with_name("sql") / "prefill.sql")
TABLES = {"ordenes": "ordenes", "pagos": "transacciones", "reporting": "ordenes"}


def fill(dsns: Mapping[str, str], rows: int) -> None:
    """Add so many orders to the tables of the services whose databases these are."""
    for service, dsn in dsns.items():
        with (
            progress.step(f"Filling {service} with {rows:,} orders", f"{service} has {rows:,} orders more"),
            psycopg.connect(dsn, autocommit=True, application_name="alpes bench") as connection,
        ):
            # Not durable, and so faster: a crash that lost these rows would end the benchmark, too.
            connection.execute("SET synchronous_commit TO off")
            for first in range(0, rows, CHUNK):
                last = min(first + CHUNK, rows) - 1
                connection.execute(SQL[service].encode(), {"first": first, "last": last})
            connection.execute(f"VACUUM (ANALYZE) {TABLES[service]}".encode())
