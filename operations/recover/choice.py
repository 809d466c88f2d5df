"""Chooses the retained message that takes a lost order further, or makes the row anew that a database lost. Pure.

Functions are idempotent, and emit again what they have recorded. So any message of the order's way, up to where the
order stands, takes it further. The last of these costs the least.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alpes_wire.decoding import Undecodable, decode
from operations.reconcile.merge import OrdenRow, PagoRow, Rows
from operations.reconcile.rules import (
    COMMANDS,
    CREATED,
    REFUNDS,
    RETRIES,
    SET_BACK,
    TRANSACTIONS,
    UPDATES,
    WAITING,
)
from schemas.tienda import rules, upcasters
from schemas.tienda.contracts import CONTRACTS
from schemas.tienda.orden import APROBADA, CREADA, EXPIRADA, REEMBOLSADA

BEST = 2


def places(why: str, rows: Rows | None) -> tuple[str, ...]:
    """Return the topics that may hold a message that takes an order further, the best first.

    Parameters
    ----------
    why
        What the order waits for, or what is missing since a database was set back.
    rows
        Its rows; None if it has none.
    """
    inputs = SET_BACK[why] if why in SET_BACK else WAITING[why].carriers
    carriers = [source.topic for source in reversed(inputs) if source not in RETRIES]
    # Pagos would charge an order that has expired and was never charged, only to pay it back.
    orden, pago = (rows.orden, rows.pago) if rows else (None, None)
    unpaid = orden is not None and orden[1] == EXPIRADA and pago is None
    upstream = [] if orden is None or unpaid else [CREATED.topic, COMMANDS.topic]
    return tuple(dict.fromkeys(carriers + upstream))


def would_be_charged(rows: Rows | None) -> bool:
    """Return whether an order, taken further, comes to Pagos for the first time."""
    return rows is None or (rows.pago is None and (rows.orden is None or rows.orden[1] == CREADA))


def order_id(topic: str, message: Any) -> str:
    """Return the id of the order that a decoded message is about."""
    return str(getattr(message, CONTRACTS[topic].id_field))


def decoded(topic: str, payload: bytes) -> Any | None:
    """Decode a message; return None if it can't be decoded or names no order."""
    try:
        message = decode(CONTRACTS[topic].kind, payload)
    except Undecodable:
        return None
    return None if rules.id_problem("id", order_id(topic, message)) else message


def rank(topic: str, message: Any, rows: Rows | None) -> int:
    """Return how well a message takes its order further: from 0, not at all, to `BEST`.

    A message that contradicts what is recorded, such as another order with the same id, would only be dead-lettered.
    """
    return _RANKS[topic](message, rows.orden if rows else None, rows.pago if rows else None)


def _command(message: Any, orden: OrdenRow | None, pago: PagoRow | None) -> int:
    order = upcasters.newest(message, lambda: rules.LAST_TIME_MS)
    # Ordenes may take currencies besides ISO 4217's.
    if rules.new_order_problem(order, {order.currency}):
        return 0
    if orden is not None:
        return _created(order, orden, pago)
    return BEST * (pago is None or (order.total_cents, order.currency) == pago[2:4])


def _created(message: Any, orden: OrdenRow | None, _pago: PagoRow | None) -> int:
    order = upcasters.newest(message, lambda: rules.LAST_TIME_MS)
    return BEST * (orden is not None and (order.total_cents, order.currency, order.client_id) == orden[3:6])


def _transaction(message: Any, _orden: OrdenRow | None, pago: PagoRow | None) -> int:
    if pago is None or message.id not in {"", pago[4]} or not _amount_fits(message, pago):
        return 0
    if message.status == pago[1]:
        return BEST
    # After a charge that was paid back, Ordenes asks for the refund again, and Pagos emits its event again.
    return int(pago[1] == REEMBOLSADA and message.status == APROBADA)


def _refund(message: Any, _orden: OrdenRow | None, pago: PagoRow | None) -> int:
    fits = pago is not None and message.transaction_id in {"", pago[4]} and _amount_fits(message, pago)
    return BEST * fits


def _update(message: Any, orden: OrdenRow | None, _pago: PagoRow | None) -> int:
    return BEST * (orden is not None and (message.status, message.version) == orden[1:3])


def _amount_fits(message: Any, pago: PagoRow) -> bool:
    same_number = not message.HasField("amount_cents") or message.amount_cents == pago[2]
    return same_number and message.currency in {"", pago[3]}


_RANKS: dict[str, Callable[[Any, OrdenRow | None, PagoRow | None], int]] = {
    COMMANDS.topic: _command,
    CREATED.topic: _created,
    TRANSACTIONS.topic: _transaction,
    REFUNDS.topic: _refund,
    UPDATES.topic: _update,
}
