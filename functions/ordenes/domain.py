"""What an order is and how it may change. Pure: values in, values out."""

from typing import NamedTuple

CREADA, APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA = "creada", "aprobada", "rechazada", "expirada", "reembolsada"

PREVIOUS = {APROBADA: CREADA, RECHAZADA: CREADA, EXPIRADA: CREADA, REEMBOLSADA: EXPIRADA}
"""The state machine: each status with the only one that it can follow. `CREADA` is the first."""


class Orden(NamedTuple):
    """An order as it was accepted. What was accepted never changes."""

    id: str
    client_id: int
    address: str
    total_cents: int
    currency: str
    created_at_ms: int
    traceparent: str


class OrdenGuardada(NamedTuple):
    """An order as it stands in the table."""

    orden: Orden
    status: str
    version: int
    updated_at_ms: int
    transaction_id: str


class Transaccion(NamedTuple):
    """What Pagos says about an order. Id and amount are absent in the first clients' form."""

    order_id: str
    status: str
    id: str
    amount_cents: int | None


def difference(sent: Orden, accepted: Orden) -> str:
    """Return how an order that was sent again differs from the accepted one, empty when it is the same.

    Client, address, total and currency count; the time and the trace of a message don't.
    """
    return ", ".join(
        f"{name} is {getattr(accepted, name)!r}, not {getattr(sent, name)!r}"
        for name in ("client_id", "address", "total_cents", "currency")
        if getattr(accepted, name) != getattr(sent, name)
    )


def may_follow(transaccion: Transaccion, guardada: OrdenGuardada) -> bool:
    """Whether the order still waits for this transaction, and it for the order's own total."""
    fits = transaccion.amount_cents in (None, guardada.orden.total_cents)
    return fits and guardada.status == PREVIOUS[transaccion.status]


def contradiction(transaccion: Transaccion, guardada: OrdenGuardada) -> str:
    """Return why a transaction doesn't belong to the order as it stands, empty when the order shows its outcome."""
    orden = guardada.orden
    if transaccion.amount_cents not in (None, orden.total_cents):
        return f"the order's total is {orden.total_cents} cents, the transaction's amount {transaccion.amount_cents}"
    if transaccion.status != guardada.status:
        return f"the order is {guardada.status} already, by transaction {guardada.transaction_id or '(no id)'}"
    if transaccion.id and guardada.transaction_id and transaccion.id != guardada.transaction_id:
        return f"the order is {guardada.status} by transaction {guardada.transaction_id}, not by {transaccion.id}"
    return ""
