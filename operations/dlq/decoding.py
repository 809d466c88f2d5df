"""Decodes messages to show them: to fields if the topic's type is known and fits, else to the first bytes."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from schemas.tienda.v1 import ordenes_pb2, pagos_pb2, reporting_pb2

TYPES: dict[str, type[Message]] = {
    "crear-orden": ordenes_pb2.CrearOrden,
    "orden-creada": ordenes_pb2.OrdenCreada,
    "orden-actualizada": ordenes_pb2.OrdenActualizada,
    "transaccion-creada": pagos_pb2.TransaccionProcesada,
    "reembolsar-transaccion": pagos_pb2.ReembolsarTransaccion,
    "ordenes-reintento": ordenes_pb2.VencerOrdenes,
    "generar-reporte": reporting_pb2.GenerarReporte,
    "reporte-generado": reporting_pb2.ReporteGenerado,
}
SHOWN_BYTES = 256


def fields(topic: str, payload: bytes) -> dict[str, Any] | None:
    """Return a message's fields by name, or None if its topic has no known type or the bytes don't fit it."""
    kind = TYPES.get(topic)
    if kind is None:
        return None
    try:
        message = kind.FromString(payload)
        values: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    except (DecodeError, ValueError):
        return None
    return values


def order_id(topic: str, payload: bytes) -> str:
    """Return the id of the order that a message names; empty if it names none or can't be decoded."""
    kind = TYPES.get(topic)
    if kind is None:
        return ""
    try:
        message = kind.FromString(payload)
    except DecodeError:
        return ""
    return str(getattr(message, "order_id", "") or getattr(message, "id", ""))


def hexadecimal(payload: bytes) -> str:
    """Return the first bytes as a hex dump: 16 on a line, with their text beside them."""
    lines = []
    for start in range(0, min(len(payload), SHOWN_BYTES), 16):
        part = payload[start : start + 16]
        text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        lines.append(f"{start:06x}  {part.hex(' '):<47}  {text}")
    if len(payload) > SHOWN_BYTES:
        lines.append(f"… {len(payload):,} bytes in all")
    return "\n".join(lines)
