"""Reads one order's rows from the three databases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg

from operations.database import database
from operations.queries import query
from operations.trace.hops import TraceRows

STATEMENT_TIMEOUT_S = 30


def read_rows(order_id: str, dsns: Mapping[str, str | None]) -> TraceRows:
    """Read an order's rows, each found by its key.

    Parameters
    ----------
    order_id
        The order.
    dsns
        The database of `ordenes`, of `pagos` and of `reporting`; those without a DSN are left out.

    Raises
    ------
    NoDatabaseError
        If one of them can't be reached.
    """
    rows = TraceRows()
    for service, dsn in dsns.items():
        if not dsn:
            continue
        with database(service, dsn, statement_timeout_s=STATEMENT_TIMEOUT_S, read_only=True) as connection:
            if service == "ordenes":
                rows.orden = _row(connection, service, "orden", order_id)
                marks = connection.execute(
                    query("ordenes", "trace/estado_pendiente"), {"order_id": order_id}
                ).fetchall()
                rows.marks = [int(row[0]) for row in marks]
            elif service == "pagos":
                rows.intento = _row(connection, service, "intento", order_id)
                rows.transaccion = _row(connection, service, "transaccion", order_id)
                rows.reembolso = _row(connection, service, "reembolso", order_id)
            else:
                rows.leida = _row(connection, service, "leida", order_id)
    return rows


def _row(connection: psycopg.Connection, service: str, name: str, order_id: str) -> tuple[Any, ...] | None:
    return connection.execute(query(service, f"trace/{name}"), {"order_id": order_id}).fetchone()
