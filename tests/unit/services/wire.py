"""Messages as they arrive: bytes written by hand, field by field, so that nothing of ours has a say in them."""

import struct

from functions.alpes_runtime import Received
from functions.alpes_runtime.fakes import FakeMessage

PUBLISHED_MS = FakeMessage().published_ms


class Nowhere:
    """Acknowledges nothing."""

    def acknowledge(self, message: object) -> None:
        return


def arrived(payload: bytes, role: str = "crear-orden") -> Received:
    return Received(role, f"persistent://alpes/tienda/{role}", FakeMessage(payload, "k"), Nowhere())


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(number: int, value: str | bytes) -> bytes:
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def single(number: int, value: float) -> bytes:
    return varint(number << 3 | 5) + struct.pack("<f", value)


def seed_order(order_id: str = "orden-1", *, sixth: bool = True, status: str = "nueva") -> bytes:
    """The first clients' order: fields 1 to 5, or 1 to 6."""
    payload = text(1, order_id) + whole(2, 42) + text(3, "Calle 93") + text(4, status) + single(5, 1767225600.0)
    return payload + text(6, "cliente") if sixth else payload


def seed_transaction(order_id: str = "orden-1", status: str = "aprobada") -> bytes:
    return text(1, order_id) + text(2, status)
