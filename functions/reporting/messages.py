"""Between the wire and the domain: decodes and checks what comes in, builds the parts of a report."""

from collections.abc import Iterable, Iterator

from alpes_runtime import Event, InvalidMessage, Received, decode, refuse_if
from alpes_runtime.protobuf import enveloped
from alpes_runtime.tracing import valid_traceparent
from alpes_wire.decoding import Undecodable
from schemas.tienda import rules
from schemas.tienda.cambios import Cambio, cambio
from schemas.tienda.v1.reporting_pb2 import GenerarReporte, ReporteGenerado

from .domain import Pedido

PART_BYTES = 500_000
"""Size from which a report continues in another part."""


def decode_orden_actualizada(received: Received) -> Cambio:
    """Read an `OrdenActualizada`. Raises `InvalidMessage` naming the field that is wrong."""
    try:
        return cambio(received.data, lambda: received.publish_time_ms)
    except Undecodable as error:
        raise InvalidMessage(str(error)) from error


def decode_generar_reporte(received: Received) -> Pedido:
    """Read a `GenerarReporte`. Raises `InvalidMessage` naming the field that is wrong."""
    message = decode(GenerarReporte, received.data)
    refuse_if(rules.id_problem("report_id", message.report_id))
    return Pedido(message.report_id, message.format[:100], valid_traceparent(message.traceparent))


def reporte_parts(
    topic: str, pedido: Pedido, generated_at_ms: int, content_type: str, content: Iterable[bytes]
) -> Iterator[Event]:
    """Build the events of a whole report, of about `PART_BYTES` each."""
    part, pending = 0, bytearray()
    for piece in content:
        if len(pending) >= PART_BYTES:
            yield _part(topic, pedido, generated_at_ms, part, content_type=content_type, content=bytes(pending))
            part, pending = part + 1, bytearray()
        pending += piece
    last = bytes(pending)
    yield _part(topic, pedido, generated_at_ms, part, content_type=content_type, content=last, last=True)


def reporte_refused(topic: str, pedido: Pedido, generated_at_ms: int, error: str) -> Event:
    """Build the event that says why there is no report."""
    return _part(topic, pedido, generated_at_ms, 0, error=error, last=True)


def _part(
    topic: str,
    pedido: Pedido,
    generated_at_ms: int,
    part: int,
    *,
    content_type: str = "",
    content: bytes = b"",
    error: str = "",
    last: bool = False,
) -> Event:
    message = ReporteGenerado(
        report_id=pedido.report_id,
        format=pedido.format,
        generated_at_ms=generated_at_ms,
        part=part,
        last=last,
        content=content,
        content_type=content_type,
        error=error,
    )
    identity = f"{pedido.report_id}:{generated_at_ms}:{part}"
    return enveloped(topic, pedido.report_id, message, "reporte-generado", identity, trace=pedido.traceparent)
