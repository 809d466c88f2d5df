"""Between the wire and the domain: decodes and checks what comes in, builds the events that go out."""

from functions.alpes_runtime import Event, InvalidMessage, Received, child_traceparent, decode, valid_traceparent
from schemas.tienda import rules
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada

from .domain import APROBADA, CREADA, RECHAZADA, Orden, OrdenGuardada, Transaccion

SERVICE = "ordenes"
SCHEMA_VERSION = 1


def decode_crear_orden(received: Received) -> Orden:
    """Read a `CrearOrden`. Raises `InvalidMessage` naming the field that is wrong."""
    message = decode(CrearOrden, received.data)
    order_id = checked_id("id", message.id)
    if not 0 < len(message.address) <= rules.MAX_ADDRESS_CHARS or "\0" in message.address:
        raise InvalidMessage(f"address must have 1 to {rules.MAX_ADDRESS_CHARS} characters, none of them NUL")
    if message.HasField("total_cents"):
        total_cents = message.total_cents
        if total_cents < 0:
            raise InvalidMessage(f"total_cents is {total_cents}, must be 0 or more")
    else:
        total_cents = rules.derived_total_cents(order_id)
    currency = message.currency or rules.DEFAULT_CURRENCY
    if not rules.CURRENCY.fullmatch(currency):
        raise InvalidMessage(f"currency is {currency[:20]!r}, must be three capital letters (ISO 4217)")
    created_at_ms = message.created_at_ms or received.publish_time_ms
    if not 0 < created_at_ms <= rules.LAST_TIME_MS:
        raise InvalidMessage(f"created_at_ms is {created_at_ms}, must be Unix milliseconds up to the year 9999")
    trace = valid_traceparent(message.traceparent)
    return Orden(order_id, message.client_id, message.address, total_cents, currency, created_at_ms, trace)


def decode_transaccion(received: Received) -> Transaccion:
    """Read a `TransaccionProcesada`. Raises `InvalidMessage` naming the field that is wrong."""
    message = decode(TransaccionProcesada, received.data)
    if message.event_type not in ("", "transaccion-creada"):
        raise InvalidMessage(f"event_type is {message.event_type[:40]!r}, must be 'transaccion-creada'")
    order_id = checked_id("order_id", message.order_id)
    if message.status not in (APROBADA, RECHAZADA):
        raise InvalidMessage(f"status is {message.status[:40]!r}, must be {APROBADA} or {RECHAZADA}")
    if message.id:
        checked_id("id", message.id)
    amount_cents = message.amount_cents if message.HasField("amount_cents") else None
    return Transaccion(order_id, message.status, message.id, amount_cents)


def checked_id(field: str, value: str) -> str:
    """Return an id that is one; raise `InvalidMessage` for one that isn't."""
    if not rules.ORDER_ID.fullmatch(value):
        raise InvalidMessage(f"{field} is {value[:40]!r}, must be 1 to 128 characters of [A-Za-z0-9._-]")
    return value


def orden_creada(topic: str, orden: Orden) -> Event:
    """Build the event of a recorded order: always ``creada``, whatever became of the order since."""
    event_id = f"orden-creada:{orden.id}"
    payload = OrdenCreada(
        id=orden.id,
        client_id=orden.client_id,
        address=orden.address,
        status=CREADA,
        created_at=orden.created_at_ms / 1000,
        service=SERVICE,
        created_at_ms=orden.created_at_ms,
        total_cents=orden.total_cents,
        currency=orden.currency,
        traceparent=child_traceparent(orden.traceparent, orden.id, event_id),
        event_id=event_id,
        event_type="orden-creada",
        schema_version=SCHEMA_VERSION,
    ).SerializeToString(deterministic=True)
    return Event(topic, orden.id, payload)


def orden_actualizada(topic: str, guardada: OrdenGuardada) -> Event:
    """Build the event of an order's last change."""
    orden = guardada.orden
    event_id = f"orden-actualizada:{orden.id}:{guardada.version}"
    payload = OrdenActualizada(
        id=orden.id,
        client_id=orden.client_id,
        address=orden.address,
        status=guardada.status,
        created_at=orden.created_at_ms / 1000,
        service=SERVICE,
        created_at_ms=orden.created_at_ms,
        total_cents=orden.total_cents,
        currency=orden.currency,
        traceparent=child_traceparent(orden.traceparent, orden.id, event_id),
        event_id=event_id,
        event_type="orden-actualizada",
        schema_version=SCHEMA_VERSION,
        version=guardada.version,
        updated_at_ms=guardada.updated_at_ms,
        transaction_id=guardada.transaction_id,
    ).SerializeToString(deterministic=True)
    return Event(topic, orden.id, payload)
