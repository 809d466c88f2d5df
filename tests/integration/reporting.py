"""Sample changes of orders for the tests of Reporting, and Reporting's handlers."""

from typing import Any

from alpes_runtime import Done
from alpes_runtime.postgres import Postgres
from functions.reporting.formats import formats
from functions.reporting.handlers import ReportingHandlers
from schemas.tienda.cambios import Cambio

HANDLERS = ReportingHandlers("t", formats(), 12_000, lambda: 1_767_225_700_000)


def cambio(order_id: str = "a", version: int = 2, status: str = "aprobada", **changes: Any) -> Cambio:
    made = Cambio(order_id, 42, status, 1250, "USD", version, 1_767_225_600_123, 1_767_225_601_000 + version)
    return made._replace(**changes)


def actualizar(database: Postgres, *batch: Cambio) -> None:
    with database.transaction() as transaction:
        assert HANDLERS.actualizar(transaction, batch) == [Done()] * len(batch)
