"""Messages as they arrive: bytes written by hand."""

from alpes_runtime import Received
from alpes_runtime.testing import FakeMessage
from tests.fields import single, text, whole

PUBLISHED_MS = FakeMessage().published_ms


class Nowhere:
    """Acknowledges nothing."""

    def acknowledge(self, message: object) -> None:
        return


def arrived(payload: bytes, role: str = "crear-orden") -> Received:
    return Received(role, f"persistent://alpes/tienda/{role}", FakeMessage(payload, "k"), Nowhere())


def seed_order(order_id: str = "orden-1", *, sixth: bool = True, status: str = "nueva") -> bytes:
    """The first clients' order: fields 1 to 5, or 1 to 6."""
    payload = text(1, order_id) + whole(2, 42) + text(3, "Calle 93") + text(4, status) + single(5, 1767225600.0)
    return payload + text(6, "cliente") if sixth else payload


def seed_transaction(order_id: str = "orden-1", status: str = "aprobada") -> bytes:
    return text(1, order_id) + text(2, status)
