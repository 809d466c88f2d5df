"""Between the wire and the domain: decodes and checks what comes in, builds the events that go out."""

from collections.abc import Container
from typing import Any

from alpes_runtime import Event, InvalidMessage, Received, decode, refuse_if
from alpes_runtime.protobuf import enveloped
from alpes_runtime.tracing import valid_traceparent
from schemas.tienda import rules, upcasters
from schemas.tienda.orden import CREADA, TRANSACTION_STATUSES, Direccion
from schemas.tienda.upcasters.v1_to_v2 import parts_of_line
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada, VencerOrdenes
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada

from .domain import (
    Orden,
    OrdenGuardada,
    Transaccion,
    Vencimiento,
    Ventana,
)

SERVICE = "ordenes"


def decode_crear_orden(received: Received, *, extra_currencies: Container[str] = ()) -> Orden:
    """Read a `CrearOrden`. Raises `InvalidMessage` naming the field that is wrong.

    Here orders enter: later readers accept what is in the topics, whatever currencies there are by then.
    """
    message = upcasters.newest(decode(CrearOrden, received.data), lambda: received.publish_time_ms)
    refuse_if(rules.new_order_problem(message, extra_currencies))
    direccion = rules.direccion_of(message) if message.HasField("direccion") else None
    address = rules.address_of(message)
    trace = valid_traceparent(message.traceparent)
    return Orden(
        message.id,
        message.client_id,
        address,
        message.total_cents,
        message.currency,
        message.created_at_ms,
        trace,
        # Parts that say no more than the line are not stored.
        None if direccion is None or direccion in (Direccion(), Direccion(**parts_of_line(address))) else direccion,
    )


def decode_transaccion(received: Received) -> Transaccion:
    """Read a `TransaccionProcesada`. Raises `InvalidMessage` naming the field that is wrong."""
    message = decode(TransaccionProcesada, received.data)
    refuse_if(rules.event_type_problem(message.event_type, "transaccion-creada"))
    refuse_if(rules.id_problem("order_id", message.order_id))
    refuse_if(rules.status_problem(message.status, TRANSACTION_STATUSES))
    if message.id:
        refuse_if(rules.id_problem("id", message.id))
    amount_cents = message.amount_cents if message.HasField("amount_cents") else None
    if message.currency:
        refuse_if(rules.currency_problem(message.currency))
    return Transaccion(message.order_id, message.status, message.id, amount_cents, message.currency)


def decode_vencer_ordenes(received: Received) -> Vencimiento:
    """Read a `VencerOrdenes`. Raises `InvalidMessage` naming the field that is wrong."""
    message = decode(VencerOrdenes, received.data)
    refuse_if(rules.time_problem("accepted_from_ms", message.accepted_from_ms))
    refuse_if(rules.time_problem("accepted_until_ms", message.accepted_until_ms))
    if message.accepted_until_ms <= message.accepted_from_ms:
        raise InvalidMessage("accepted_until_ms must be later than accepted_from_ms")
    if message.after_id:
        refuse_if(rules.id_problem("after_id", message.after_id))
    return Vencimiento(Ventana(message.accepted_from_ms, message.accepted_until_ms), message.after_id, message.done)


def orden_creada(topic: str, orden: Orden, schema_version: int = upcasters.NEWEST) -> Event:
    """Build the event of a recorded order: always ``creada``, whatever became of the order since."""
    message = OrdenCreada(**_fields(orden, schema_version), status=CREADA)
    trace = orden.traceparent
    return enveloped(topic, orden.id, message, "orden-creada", orden.id, trace=trace, schema_version=schema_version)


def orden_actualizada(topic: str, guardada: OrdenGuardada, schema_version: int = upcasters.NEWEST) -> Event:
    """Build the event of an order's last change."""
    orden = guardada.orden
    message = OrdenActualizada(
        **_fields(orden, schema_version),
        status=guardada.status,
        version=guardada.version,
        updated_at_ms=guardada.updated_at_ms,
        transaction_id=guardada.transaction_id,
    )
    identity, trace = f"{orden.id}:{guardada.version}", orden.traceparent
    return enveloped(
        topic, orden.id, message, "orden-actualizada", identity, trace=trace, schema_version=schema_version
    )


def _fields(orden: Orden, schema_version: int) -> dict[str, Any]:
    """Return what every event of a version says of an order as it was accepted."""
    fields = {
        "id": orden.id,
        "client_id": orden.client_id,
        "address": orden.address,
        "created_at": orden.created_at_ms / 1000,
        "service": SERVICE,
        "created_at_ms": orden.created_at_ms,
        "total_cents": orden.total_cents,
        "currency": orden.currency,
    }
    if schema_version >= 2:
        fields["direccion"] = orden.direccion._asdict() if orden.direccion else parts_of_line(orden.address)
    return fields


def reembolsar_transaccion(topic: str, transaccion: Transaccion, guardada: OrdenGuardada) -> Event:
    """Build the command that has a transaction paid back."""
    orden = guardada.orden
    message = ReembolsarTransaccion(
        order_id=orden.id, transaction_id=transaccion.id, amount_cents=orden.total_cents, currency=orden.currency
    )
    return enveloped(topic, orden.id, message, "reembolsar-transaccion", orden.id, trace=orden.traceparent)


def vencer_ordenes(topic: str, vencimiento: Vencimiento, delay_ms: int) -> Event:
    """Build the timer that looks at a window's orders in ``delay_ms``."""
    (from_ms, until_ms), after_id, done = vencimiento
    message = VencerOrdenes(accepted_from_ms=from_ms, accepted_until_ms=until_ms, after_id=after_id, done=done)
    payload = message.SerializeToString(deterministic=True)
    return Event(topic, f"vencer:{from_ms}", payload, delay_ms=max(0, delay_ms))
