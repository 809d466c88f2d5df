"""Between the wire and the domain: decodes and checks what comes in, builds the events that go out."""

from alpes_runtime import Event, Received, decode, refuse_if
from alpes_runtime.protobuf import enveloped
from alpes_runtime.tracing import valid_traceparent
from schemas.tienda import rules, upcasters
from schemas.tienda.orden import REEMBOLSADA
from schemas.tienda.v1.ordenes_pb2 import OrdenCreada
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada

from .domain import Cobro, PorReembolsar, Reembolso, Transaccion

KIND = "transaccion-creada"


def decode_orden_creada(received: Received) -> Cobro:
    """Read an `OrdenCreada`. Raises `InvalidMessage` naming the field that is wrong."""
    message = upcasters.newest(decode(OrdenCreada, received.data), lambda: received.publish_time_ms)
    refuse_if(rules.event_type_problem(message.event_type, "orden-creada"))
    refuse_if(rules.id_problem("id", message.id))
    refuse_if(rules.total_problem(message.total_cents))
    refuse_if(rules.currency_problem(message.currency))
    return Cobro(message.id, message.total_cents, message.currency, valid_traceparent(message.traceparent))


def decode_reembolsar_transaccion(received: Received) -> PorReembolsar:
    """Read a `ReembolsarTransaccion`. Raises `InvalidMessage` naming the field that is wrong."""
    message = decode(ReembolsarTransaccion, received.data)
    refuse_if(rules.event_type_problem(message.event_type, "reembolsar-transaccion"))
    refuse_if(rules.id_problem("order_id", message.order_id))
    if message.transaction_id:
        refuse_if(rules.id_problem("transaction_id", message.transaction_id))
    amount_cents = message.amount_cents if message.HasField("amount_cents") else None
    refuse_if(rules.total_problem(amount_cents or 0, "amount_cents"))
    if message.currency:
        refuse_if(rules.currency_problem(message.currency))
    trace = valid_traceparent(message.traceparent)
    return PorReembolsar(message.order_id, message.transaction_id, amount_cents, message.currency, trace)


def transaccion_creada(topic: str, transaccion: Transaccion) -> Event:
    """Build the event of a decided charge."""
    message = TransaccionProcesada(
        order_id=transaccion.order_id,
        status=transaccion.status,
        id=transaccion.id,
        amount_cents=transaccion.amount_cents,
        currency=transaccion.currency,
        processed_at_ms=transaccion.processed_at_ms,
    )
    return enveloped(topic, transaccion.order_id, message, KIND, transaccion.id, trace=transaccion.traceparent)


def transaccion_reembolsada(topic: str, refund: Reembolso) -> Event:
    """Build the event of a charge that was paid back."""
    message = TransaccionProcesada(
        order_id=refund.order_id,
        status=REEMBOLSADA,
        id=refund.transaction_id,
        amount_cents=refund.amount_cents,
        currency=refund.currency,
        processed_at_ms=refund.refunded_at_ms,
    )
    identity = f"{refund.transaction_id}:{REEMBOLSADA}"
    return enveloped(topic, refund.order_id, message, KIND, identity, trace=refund.traceparent)
