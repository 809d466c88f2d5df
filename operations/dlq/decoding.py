"""Decodes messages to show them: to fields if the topic's type is known and fits, else to the first bytes."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import DecodeError, Message

from schemas.tienda.contracts import CONTRACTS
from schemas.tienda.topics import GENERAR_REPORTE, REPORTE_GENERADO, RETRY_SUFFIX
from schemas.tienda.v1.ordenes_pb2 import VencerOrdenes
from schemas.tienda.v1.reporting_pb2 import GenerarReporte, ReporteGenerado

TYPES: dict[str, type[Message]] = {
    **{topic: contract.kind for topic, contract in CONTRACTS.items()},
    f"ordenes{RETRY_SUFFIX}": VencerOrdenes,
    GENERAR_REPORTE: GenerarReporte,
    REPORTE_GENERADO: ReporteGenerado,
}
SHOWN_BYTES = 256


def fields(topic: str, payload: bytes) -> dict[str, Any] | None:
    """Return a message's fields by name, or None if its topic has no known type or the bytes don't fit it."""
    message = _decoded(topic, payload)
    try:
        return None if message is None else MessageToDict(message, preserving_proto_field_name=True)
    except ValueError:
        return None


def order_id(topic: str, payload: bytes) -> str:
    """Return the id of the order that a message names; empty if it names none or can't be decoded."""
    message = _decoded(topic, payload)
    return str(getattr(message, "order_id", "") or getattr(message, "id", ""))


def _decoded(topic: str, payload: bytes) -> Message | None:
    try:
        return TYPES[topic].FromString(payload)
    except (KeyError, DecodeError):
        return None


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
