"""A real database beside a simulated one: both are told the same, and must then hold the same rows."""

from collections.abc import Callable
from typing import Any

import psycopg

from alpes_runtime import Done, Transaction
from alpes_runtime.postgres import Postgres
from tests.simulation.server import Server
from tests.simulation.statements import STATEMENTS

Act = Callable[[Transaction], Any]
KEYS = {
    "ordenes": {"ordenes": "id", "vencimientos": "accepted_from", "estado_pendiente": "id"},
    "pagos": {"transacciones": "order_id", "intentos": "order_id", "reembolsos": "order_id"},
    "reporting": {"ordenes": "id"},
}
NOW = "SELECT (extract(EPOCH FROM date_trunc('milliseconds', now())) * 1000)::bigint"


class Both:
    """A real and a simulated database that are told the same."""

    def __init__(self, service: str, dsn: str) -> None:
        self.service = service
        self.now_ms = 0
        self.real = Postgres(dsn, "alpes pruebas")
        statements = {**STATEMENTS[service], NOW: lambda view, _params: [(view.now_ms,)]}
        self.server = Server(statements, lambda: self.now_ms)
        self.simulated = self.server.connect("alpes pruebas")
        self._rows = psycopg.connect(dsn, autocommit=True)

    def close(self) -> None:
        self.real.close()
        self._rows.close()

    def do(self, act: Act) -> Any:
        """Do something in a transaction of each, at the same time of day; return what both answer."""
        with self.real.transaction() as transaction:
            ((self.now_ms,),) = transaction.execute(NOW)
            said = act(transaction)
        with self.simulated.transaction() as transaction:
            expected = act(transaction)
        assert comparable(expected) == comparable(said)
        for table, key in KEYS[self.service].items():
            assert self.simulated_rows(table) == self.real_rows(table, key)
        return said

    def real_rows(self, table: str, key: str) -> list[dict[str, Any]]:
        with self._rows.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return [plain(row) for row in cursor.execute(f"SELECT * FROM {table} ORDER BY {key}".encode())]

    def simulated_rows(self, table: str) -> list[dict[str, Any]]:
        rows = [dict(row) for row in self.server.rows(table)]
        if table == "vencimientos":
            return [
                {"accepted_from": row["window"][0], "accepted_until": row["window"][1], "armed": row["armed"]}
                for row in rows
            ]
        hidden = {"intentos": "created_at", "estado_pendiente": "created_at"}.get(table)
        return [{key: value for key, value in row.items() if key != hidden} for row in rows]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with times in Unix milliseconds, without those that the simulation doesn't keep."""
    row = {
        key: int(value.timestamp() * 1000 + 0.5) if hasattr(value, "timestamp") else value for key, value in row.items()
    }
    if "order_ids" in row or set(row) == {"order_id", "amount_cents", "currency", "created_at", "traceparent"}:
        row.pop("created_at")
    return row


def comparable(said: Any) -> Any:
    """Leave out a timer's delay, which depends on the moment within the transaction."""
    if isinstance(said, Done):
        return [event._replace(delay_ms=0) for event in said.events]
    if isinstance(said, (list, tuple)) and not hasattr(said, "_fields"):
        return [comparable(each) for each in said]
    return said
