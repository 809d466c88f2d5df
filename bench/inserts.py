"""Measures the limit of the tables: a bare loop of multi-row inserts, with Ordenes' statement on its PostgreSQL."""

import time
from typing import Any

import psycopg

from alpes_runtime import Received, load_queries
from alpes_runtime.database import columns
from alpes_runtime.postgres import send_lists_in_binary
from alpes_runtime.testing import FakeMessage
from functions.ordenes.domain import Orden
from functions.ordenes.messages import decode_crear_orden
from local_stack.settings import CHECKOUT
from schemas.tienda.topics import CREAR_ORDEN, full_name
from schemas.tienda.v1.ordenes_pb2 import CrearOrden

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
    """Return the parameters of an insert of so many orders, as Ordenes makes them from commands."""
    return {**columns([_orden(n) for n in range(1, rows + 1)], Orden), "mark": False}


def _orden(n: int) -> Orden:
    command = CrearOrden(
        id=str(n),
        client_id=n % 10_000,
        address=f"Calle {n % 180} # {n % 99}-{n % 60}, Bogotá",
        total_cents=100 + n,
        created_at_ms=1_767_225_600_000 + n,
        traceparent=f"00-{n:032x}-{n:016x}-01",
    )
    message = FakeMessage(command.SerializeToString())
    return decode_crear_orden(Received(CREAR_ORDEN, full_name(CREAR_ORDEN), message, _Nowhere()))


class _Nowhere:
    def acknowledge(self, message: object) -> None:
        """Do nothing: the commands come from no topic."""
