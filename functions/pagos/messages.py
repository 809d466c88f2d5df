"""Between the wire and the domain: decodes and checks what comes in, builds the event that goes out."""

from functions.alpes_runtime import Event, InvalidMessage, Received, child_traceparent, decode, valid_traceparent
from schemas.tienda import rules
from schemas.tienda.v1.ordenes_pb2 import OrdenCreada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada

from .domain import Cobro, Transaccion

SCHEMA_VERSION = 1


def decode_orden_creada(received: Received) -> Cobro:
    """Read an `OrdenCreada`. Raises `InvalidMessage` naming the field that is wrong."""
    message = decode(OrdenCreada, received.data)
    if message.event_type not in ("", "orden-creada"):
        raise InvalidMessage(f"event_type is {message.event_type[:40]!r}, must be 'orden-creada'")
    if not rules.ORDER_ID.fullmatch(message.id):
        raise InvalidMessage(f"id is {message.id[:40]!r}, must be 1 to 128 characters of [A-Za-z0-9._-]")
    amount_cents = message.total_cents if message.HasField("total_cents") else rules.derived_total_cents(message.id)
    if amount_cents < 0:
        raise InvalidMessage(f"total_cents is {amount_cents}, must be 0 or more")
    currency = message.currency or rules.DEFAULT_CURRENCY
    if not rules.CURRENCY.fullmatch(currency):
        raise InvalidMessage(f"currency is {currency[:20]!r}, must be three capital letters (ISO 4217)")
    return Cobro(message.id, amount_cents, currency, valid_traceparent(message.traceparent))


def transaccion_creada(topic: str, transaccion: Transaccion) -> Event:
    """Build the event of a decided charge."""
    event_id = f"transaccion-creada:{transaccion.id}"
    payload = TransaccionProcesada(
        order_id=transaccion.order_id,
        status=transaccion.status,
        id=transaccion.id,
        amount_cents=transaccion.amount_cents,
        currency=transaccion.currency,
        processed_at_ms=transaccion.processed_at_ms,
        traceparent=child_traceparent(transaccion.traceparent, transaccion.order_id, event_id),
        event_id=event_id,
        event_type="transaccion-creada",
        schema_version=SCHEMA_VERSION,
    ).SerializeToString(deterministic=True)
    return Event(topic, transaccion.order_id, payload)
