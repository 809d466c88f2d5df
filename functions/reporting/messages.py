"""Between the wire and the domain: decodes and checks what comes in, builds the parts of a report."""

from collections.abc import Iterable, Iterator
from typing import Any

from alpes_runtime import Event, InvalidMessage, Received, decode, refuse_if
from alpes_runtime.protobuf import enveloped
from alpes_runtime.tracing import valid_traceparent
from alpes_wire.decoding import Undecodable
from schemas.tienda import rules
from schemas.tienda.cambios import Cambio, cambio
from schemas.tienda.periodo import Periodo
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
    # `from` is a word of Python's own, so no attribute can have its name in the code.
    start = getattr(message, "from")
    trace = valid_traceparent(message.traceparent)
    return Pedido(message.report_id, message.format[:100], trace, start, message.to, message.tz, message.by)


def reporte_parts(
    topic: str, pedido: Pedido, generated_at_ms: int, periodo: Periodo, content_type: str, content: Iterable[bytes]
) -> Iterator[Event]:
    """Build the events of a whole report, of about `PART_BYTES` each."""
    covers: dict[str, Any] = {"tz": periodo.zone.key, "by": periodo.by, "content_type": content_type}
    covers |= {"from_ms": periodo.from_ms, "to_ms": periodo.to_ms}
    part, pending = 0, bytearray()
    for piece in content:
        if len(pending) >= PART_BYTES:
            yield _part(topic, pedido, generated_at_ms, part, content=bytes(pending), **covers)
            part, pending = part + 1, bytearray()
        pending += piece
    yield _part(topic, pedido, generated_at_ms, part, content=bytes(pending), last=True, **covers)


def reporte_refused(topic: str, pedido: Pedido, generated_at_ms: int, error: str) -> Event:
    """Build the event that says why there is no report."""
    return _part(topic, pedido, generated_at_ms, 0, error=error, last=True)


def _part(topic: str, pedido: Pedido, generated_at_ms: int, part: int, **fields: Any) -> Event:
    message = ReporteGenerado(
        report_id=pedido.report_id, format=pedido.format, generated_at_ms=generated_at_ms, part=part, **fields
    )
    identity = f"{pedido.report_id}:{generated_at_ms}:{part}"
    return enveloped(topic, pedido.report_id, message, "reporte-generado", identity, trace=pedido.traceparent)
