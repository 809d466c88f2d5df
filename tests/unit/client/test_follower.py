"""What a message says about an order."""

from typing import Any

import pytest

from alpes_runtime.testing import FakeMessage
from client.follower import record
from client.ledger import Ledger
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada


def _outcomes(topic: str, message: Any) -> dict[str, int]:
    ledger = Ledger()
    ledger.sent("a", 1)
    record(ledger, topic, message, 2)
    return {outcome: count for outcome, count in ledger.close().outcomes.items() if count}


def test_an_update_ends_an_order() -> None:
    event = OrdenActualizada(id="a", status="rechazada", version=2)
    assert _outcomes("orden-actualizada", FakeMessage(event.SerializeToString())) == {"rechazada": 1}


@pytest.mark.parametrize(
    "topic", ["orden-actualizada", "crear-orden-DLQ", "orden-creada-DLQ", "transaccion-creada-DLQ"]
)
def test_garbage_says_nothing(topic: str) -> None:
    assert _outcomes(topic, FakeMessage(b"\xff\xff\xff")) == {"unaccounted": 1}


@pytest.mark.parametrize("topic", ["crear-orden-DLQ", "orden-creada-DLQ", "transaccion-creada-DLQ"])
def test_a_dead_letter_is_known_by_its_key_though_its_bytes_are_garbage(topic: str) -> None:
    assert _outcomes(topic, FakeMessage(b"\xff", key="a")) == {"dead_lettered": 1}


@pytest.mark.parametrize(
    ("topic", "message"),
    [("crear-orden-DLQ", CrearOrden(id="a")), ("transaccion-creada-DLQ", TransaccionProcesada(order_id="a"))],
)
def test_a_dead_letter_without_key_is_known_by_its_content(topic: str, message: Any) -> None:
    assert _outcomes(topic, FakeMessage(message.SerializeToString())) == {"dead_lettered": 1}


def test_a_dead_letter_tells_its_reason_and_topic() -> None:
    ledger = Ledger()
    ledger.sent("a", 1)
    letter: Any = FakeMessage(b"", key="a", own_properties={"error.type": "conflict"})
    record(ledger, "crear-orden-DLQ", letter, 2)
    assert ledger.close().dead_letter_reasons == {"conflict (crear-orden-DLQ)": 1}
