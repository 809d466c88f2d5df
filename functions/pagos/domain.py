"""How an order is charged. Pure: values in, values out."""

import hashlib
import uuid
from typing import NamedTuple

from schemas.tienda.orden import APROBADA, RECHAZADA


class Cobro(NamedTuple):
    """A charge that an order asks for."""

    order_id: str
    amount_cents: int
    currency: str
    traceparent: str


class Transaccion(NamedTuple):
    """A charge that was decided. There is one per order, and it never changes."""

    order_id: str
    id: str
    status: str
    amount_cents: int
    currency: str
    processed_at_ms: int
    traceparent: str


class PorReembolsar(NamedTuple):
    """A refund that is asked for, of the order's whole transaction. Transaction id and amount may be absent."""

    order_id: str
    transaction_id: str
    amount_cents: int | None
    currency: str
    traceparent: str


class Reembolso(NamedTuple):
    """A refund. There is at most one per order, and it never changes."""

    order_id: str
    transaction_id: str
    amount_cents: int
    currency: str
    refunded_at_ms: int
    traceparent: str


def drawn(order_id: str, approval_rate: float) -> str:
    """Decide a charge by a draw that depends on the order alone, so that each further decision is the same.

    Parameters
    ----------
    order_id
        The order.
    approval_rate
        Share of orders that are approved, 0 to 1.
    """
    draw = int.from_bytes(_digest(order_id)[16:], "big") / 2**64
    return APROBADA if draw < approval_rate else RECHAZADA


def transaccion(cobro: Cobro, status: str, now_ms: int) -> Transaccion:
    """Return the transaction of a charge that was decided. Its id depends on the order alone."""
    transaction_id = str(uuid.UUID(bytes=_digest(cobro.order_id)[:16], version=4))
    return Transaccion(
        cobro.order_id, transaction_id, status, cobro.amount_cents, cobro.currency, now_ms, cobro.traceparent
    )


def reembolso(asked: PorReembolsar, transaccion: Transaccion, now_ms: int) -> Reembolso:
    """Return the refund of a whole transaction."""
    return Reembolso(
        transaccion.order_id,
        transaccion.id,
        transaccion.amount_cents,
        transaccion.currency,
        now_ms,
        asked.traceparent or transaccion.traceparent,
    )


def refund_problem(asked: PorReembolsar, transaccion: Transaccion) -> str:
    """Return why a transaction can't be paid back as it is asked for, empty when it can."""
    if transaccion.status != APROBADA:
        return f"its transaction is {transaccion.status}: nothing was charged"
    if asked.transaction_id not in ("", transaccion.id):
        return f"its transaction is {transaccion.id}, not {asked.transaction_id}"
    if asked.amount_cents not in (None, transaccion.amount_cents):
        return f"the charge's amount_cents is {transaccion.amount_cents}, not {asked.amount_cents}"
    if asked.currency not in ("", transaccion.currency):
        return f"it was charged in {transaccion.currency}, not in {asked.currency}"
    return ""


def _digest(order_id: str) -> bytes:
    return hashlib.blake2b(order_id.encode(), digest_size=24, person=b"alpes-pago").digest()


def difference(cobro: Cobro, transaccion: Transaccion | Cobro) -> str:
    """Return how a charge that is asked for again differs from the first one, empty when it is the same."""
    return ", ".join(
        f"{name} is {getattr(transaccion, name)!r}, not {getattr(cobro, name)!r}"
        for name in ("amount_cents", "currency")
        if getattr(transaccion, name) != getattr(cobro, name)
    )
