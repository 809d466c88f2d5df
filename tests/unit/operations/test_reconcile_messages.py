"""Which commands and dead letters belong to which order, and which belong to none."""

from typing import Any

from operations.reconcile.messages import commands, letters
from operations.reconcile.scratch import OrderLetter
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.simulation.broker import Message
from tests.unit.connection.fake_pulsar import FakePulsar, sent

NOW_MS = 1_764_000_000_000


def command(order_id: str, created_at_ms: int = NOW_MS) -> bytes:
    given: dict[str, Any] = {"client_id": 7, "total_cents": 1250, "currency": "USD", "address": "Calle 7"}
    return CrearOrden(id=order_id, created_at_ms=created_at_ms, schema_version=2, **given).SerializeToString()


def letter(entry: int, order_id: str, error: str = "bug") -> Message:
    return sent(entry, order_id, command(order_id), {"error.type": error})


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
                sent(6, "seconds", command("seconds", NOW_MS // 1000), {"error.type": "invalid"}),
                sent(7, "large", b"", {"error.type": "invalid", "payload.omitted": "7"}),
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
        OrderLetter("", "crear-orden", discarded=False, refused=True),
        OrderLetter("seconds", "crear-orden", discarded=False, refused=True),
        OrderLetter("large", "crear-orden", discarded=False),
    ]


def test_of_each_command_it_is_known_whether_the_rules_take_it() -> None:
    payloads = [command("a", NOW_MS // 1000), b"\xff", command("a"), command("no id!")]
    pulsar: Any = FakePulsar({"crear-orden": [sent(n, "", payload) for n, payload in enumerate(payloads)]})
    assert list(commands(pulsar, pulsar)) == [("a", False), ("a", True)]
