"""Between the wire and the domain: decodes and checks what comes in, builds the parts of a report."""

import hashlib
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

ORDERS = "orders"
"""The kind of report where the command names none."""
NAME_CHARACTERS = 100
"""Most characters of a name or a filter's value that are kept: longer ones are none of ours."""
MOST_FILTERS = 20
"""Most filters that are looked at, many more than there are."""


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
    filters = sorted(message.filters.items())[:MOST_FILTERS]
    return Pedido(
        message.report_id,
        message.format[:NAME_CHARACTERS],
        valid_traceparent(message.traceparent),
        getattr(message, "from"),  # `from` is a word of Python's own, so no attribute can have its name in the code
        message.to,
        message.tz,
        message.by,
        message.report[:NAME_CHARACTERS],
        tuple((name[:NAME_CHARACTERS], value[: 2 * NAME_CHARACTERS]) for name, value in filters),
    )


class Parts:
    """Builds the events of one making of a report, in their order.

    Parameters
    ----------
    topic
        Where they go.
    pedido
        What was asked for.
    generated_at_ms
        Unix milliseconds; tells this making of the report from others.
    periodo
        What the report covers; None if the command names no period that there is.
    """

    def __init__(self, topic: str, pedido: Pedido, generated_at_ms: int, periodo: Periodo | None) -> None:
        self._topic = topic
        self._pedido = pedido
        self._made_at_ms = generated_at_ms
        self._sha256 = hashlib.sha256()
        self._covers: dict[str, Any] = {}
        if periodo is not None:
            self._covers = {
                "tz": periodo.zone.key,
                "by": periodo.by,
                "from_ms": periodo.from_ms,
                "to_ms": periodo.to_ms,
            }
        self.content_type = ""
        self.number = 0
        self.content_bytes = 0

    def part(self, content: bytes) -> Event:
        """Return the next part, after which others follow."""
        self._add(content)
        event = self._event(content=content, content_type=self.content_type, **self._covers)
        self.number += 1
        return event

    def last(self, content: bytes) -> Event:
        """Return the part that ends the report."""
        self._add(content)
        whole = {"content_bytes": self.content_bytes, "sha256": self._sha256.digest()}
        return self._event(content=content, content_type=self.content_type, last=True, **whole, **self._covers)

    def failed(self, error: str) -> Event:
        """Return the part that says why there is no report, whatever was sent of it."""
        return self._event(error=error, last=True)

    def _add(self, content: bytes) -> None:
        self._sha256.update(content)
        self.content_bytes += len(content)

    def _event(self, **fields: Any) -> Event:
        pedido = self._pedido
        message = ReporteGenerado(
            report_id=pedido.report_id,
            format=pedido.format,
            report=pedido.report or ORDERS,
            generated_at_ms=self._made_at_ms,
            part=self.number,
            **fields,
        )
        identity = f"{pedido.report_id}:{self._made_at_ms}:{self.number}"
        return enveloped(self._topic, pedido.report_id, message, "reporte-generado", identity, trace=pedido.traceparent)
