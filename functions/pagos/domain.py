"""How an order is charged. Pure: values in, values out."""

import hashlib
import uuid
from typing import NamedTuple

APROBADA, RECHAZADA = "aprobada", "rechazada"


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


def decide(cobro: Cobro, approval_rate: float, now_ms: int) -> Transaccion:
    """Decide a charge.

    The outcome and the transaction's id depend on the order and the configuration alone: whoever decides it again
    decides alike, so a retry can't turn a rejection into an approval.

    Parameters
    ----------
    cobro
        The charge.
    approval_rate
        Share of orders that are approved, 0 to 1.
    now_ms
        Unix milliseconds of the decision.
    """
    digest = hashlib.blake2b(cobro.order_id.encode(), digest_size=24, person=b"alpes-pago").digest()
    draw = int.from_bytes(digest[16:], "big") / 2**64
    return Transaccion(
        cobro.order_id,
        str(uuid.UUID(bytes=digest[:16], version=4)),
        APROBADA if draw < approval_rate else RECHAZADA,
        cobro.amount_cents,
        cobro.currency,
        now_ms,
        cobro.traceparent,
    )


def difference(cobro: Cobro, transaccion: Transaccion) -> str:
    """Return how a charge that is asked for again differs from the decided one, empty when it is the same."""
    return ", ".join(
        f"{name} is {getattr(transaccion, name)!r}, not {getattr(cobro, name)!r}"
        for name in ("amount_cents", "currency")
        if getattr(transaccion, name) != getattr(cobro, name)
    )
