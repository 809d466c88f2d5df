"""Which dead letters belong to which order, and which belong to none."""

from typing import Any

from operations.reconcile.messages import letters
from operations.reconcile.scratch import OrderLetter
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.simulation.broker import Message
from tests.unit.connection.fake_pulsar import FakePulsar, sent


def letter(entry: int, order_id: str, error: str = "bug") -> Message:
    return sent(entry, order_id, CrearOrden(id=order_id).SerializeToString(), {"error.type": error})


def done(entry: int, letter_entry: int, action: str) -> Message:
    return sent(entry, f"crear-orden:0:1:{letter_entry}", properties={"bitacora.action": action})


def test_letters_wait_were_discarded_or_were_sent_again_and_conflicts_are_nobodys() -> None:
    pulsar: Any = FakePulsar(
        {
            "crear-orden-DLQ": [
                letter(0, "waits"),
                letter(1, "discarded"),
                letter(2, "sent"),
                letter(3, "discarded-then-sent"),
                letter(4, "second", "conflict"),
                sent(5, b"\xff", b"\xff", {"error.type": "invalid"}),
            ],
            "dlq-bitacora": [
                done(0, 1, "discarded"),
                done(1, 2, "replayed"),
                done(2, 3, "replayed"),
                done(3, 3, "discarded"),
            ],
        }
    )
    assert list(letters(pulsar, pulsar)) == [
        OrderLetter("waits", "crear-orden", discarded=False, bug=True),
        OrderLetter("discarded", "crear-orden", discarded=True, bug=True),
        OrderLetter("", "crear-orden", discarded=False),
    ]
