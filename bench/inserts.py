"""Measures the limit of the tables: a bare loop of multi-row inserts, with Ordenes' statement on its PostgreSQL."""

import time
from typing import Any

import psycopg

from alpes_runtime import load_queries
from alpes_runtime.postgres import send_lists_in_binary
from local_stack.settings import CHECKOUT

SQL = CHECKOUT / "functions" / "ordenes" / "sql" / "ordenes.sql"
SCHEMA = "bench_limite"
CREATE = (
    f"CREATE SCHEMA {SCHEMA}; CREATE TABLE {SCHEMA}.ordenes (LIKE public.ordenes INCLUDING ALL) WITH (fillfactor = 60)"
)
DROP = f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"


def limit(dsn: str, seconds: float, rows: int) -> float:
    """Insert for so many seconds, and return rows a second. Each insert is committed before the next one begins.

    Parameters
    ----------
    dsn
        Ordenes' database. The loop makes a schema of its own there, and removes it.
    seconds
        How long to insert.
    rows
        Rows of each insert.
    """
    query = load_queries(SQL)["insert_new"].encode()
    with psycopg.connect(dsn, autocommit=True, application_name="alpes bench") as connection:
        connection.execute(DROP)
        connection.execute(CREATE)
        try:
            connection.execute(f"SET search_path TO {SCHEMA}, public")
            send_lists_in_binary(connection)
            cursor = connection.cursor(binary=True)
            # Made before the loop, which measures PostgreSQL, not how fast Python makes rows.
            batch = parameters(rows)
            inserts, started = 0, time.monotonic()
            while (passed := time.monotonic() - started) < seconds:
                batch["id"] = [f"limite-{inserts:06d}-{n:05d}" for n in range(rows)]
                cursor.execute(query, batch).fetchall()
                inserts += 1
            return inserts * rows / passed
        finally:
            connection.execute(DROP)


def parameters(rows: int) -> dict[str, Any]:
    """Return the parameters of an insert of so many orders, without their ids."""
    return {
        "client_id": [n % 10_000 for n in range(rows)],
        "address": [f"Calle {n % 180} # {n % 99}-{n % 60}, Bogotá" for n in range(rows)],
        "total_cents": [100 + n for n in range(rows)],
        "currency": ["USD"] * rows,
        "created_at_ms": [1_767_225_600_000 + n for n in range(rows)],
        "traceparent": [f"00-{n:032x}-{n:016x}-01" for n in range(rows)],
        "mark": False,
    }
