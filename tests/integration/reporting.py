"""Sample changes of orders for the tests of Reporting."""

from typing import Any

from schemas.tienda.cambios import Cambio


def cambio(order_id: str = "a", version: int = 2, status: str = "aprobada", **changes: Any) -> Cambio:
    made = Cambio(order_id, 42, status, 1250, "USD", version, 1_767_225_600_123, 1_767_225_601_000 + version)
    return made._replace(**changes)
