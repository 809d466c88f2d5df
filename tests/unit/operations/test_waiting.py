"""Which orders have a waiting message, according to what functions have not acknowledged."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from connection.errors import UnreachableError
from connection.reading import Position
from operations.reconcile import unacknowledged
from operations.reconcile.rules import (
    COMMANDS,
    CREATED,
    DOWNSTREAM,
    ORDENES_RETRIES,
    PAGOS_RETRIES,
    REFUNDS,
    TRANSACTIONS,
    UPDATES,
    Input,
)
from operations.reconcile.unacknowledged import Cursor
from operations.reconcile.waiting import Waits, waiting
from schemas.tienda.topics import NAMESPACE, full_name
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada
from tests.simulation.broker import Message
from tests.unit.connection.fake_pulsar import FakePulsar, sent


def timer(entry: int) -> Message:
    return sent(entry, f"vencer:{entry}")


def cursor(function: str, mark: str = "1:-1", acknowledged: str = "[]") -> dict[str, Any]:
    return {"cursors": {function: {"markDeletePosition": mark, "individuallyDeletedMessages": acknowledged}}}


def broker(
    topics: Mapping[Input, Sequence[Message]], cursors: Mapping[Input, dict[str, Any]] | None = None
) -> FakePulsar:
    """Return a broker with these messages in the inputs, unacknowledged unless a cursor says otherwise."""
    answers = {
        f"{source.topic}-partition-0/internalStats": (cursors or {}).get(source) or cursor(source.function)
        for source in DOWNSTREAM
    }
    return FakePulsar({source.topic: topics.get(source, []) for source in DOWNSTREAM}, answers)


def found(pulsar: Any, *sources: Input) -> list[tuple[str, str | None]]:
    return [(topic, order_id) for topic, order_id, _ in waiting(pulsar, pulsar, set(sources or DOWNSTREAM))]


def test_where_all_is_acknowledged_nothing_is_read() -> None:
    pulsar = broker({UPDATES: [sent(0, "a"), sent(1, "b")]}, {UPDATES: cursor("reporting", "1:1")})
    assert found(pulsar) == []
    assert pulsar.opened == []


def test_where_all_is_gone_nothing_waits() -> None:
    assert found(broker({}, {UPDATES: cursor("reporting", "0:5")}), UPDATES) == []


def test_what_is_acknowledged_does_not_wait() -> None:
    messages = [sent(n, name) for n, name in enumerate("abcde")] + [sent(0, "f", ledger=9), sent(1, "g", ledger=9)]
    stands = cursor("reporting", "1:0", "[(1:1..1:3],(9:-1..9:0]]")
    assert found(broker({UPDATES: messages}, {UPDATES: stands}), UPDATES) == [
        ("orden-actualizada", "b"),
        ("orden-actualizada", "e"),
        ("orden-actualizada", "g"),
    ]


def test_what_nobody_ever_read_waits() -> None:
    assert found(broker({UPDATES: [sent(0, "a")]}, {UPDATES: {"cursors": {}}}), UPDATES) == [("orden-actualizada", "a")]


def test_every_message_of_a_batch_waits() -> None:
    batch = [sent(5, "a", batch=0), sent(5, "b", batch=1)]
    assert found(broker({UPDATES: batch}), UPDATES) == [("orden-actualizada", "a"), ("orden-actualizada", "b")]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (COMMANDS, CrearOrden(id="a")),
        (CREATED, OrdenCreada(id="a")),
        (TRANSACTIONS, TransaccionProcesada(order_id="a", id="of-the-transaction")),
        (REFUNDS, ReembolsarTransaccion(order_id="a", transaction_id="of-the-transaction")),
        (UPDATES, OrdenActualizada(id="a", transaction_id="of-the-transaction")),
    ],
)
def test_an_order_is_known_by_what_its_message_says_also_without_a_key(source: Input, message: Any) -> None:
    pulsar = broker({source: [sent(0, "", message.SerializeToString())]})
    assert found(pulsar, source) == [(source.topic, "a")]


def test_a_later_attempt_says_whose_it_is_as_its_first_one_did() -> None:
    properties = {"source.topic": full_name("orden-creada")}
    pulsar = broker({PAGOS_RETRIES: [sent(0, "", OrdenCreada(id="a").SerializeToString(), properties)]})
    assert found(pulsar, PAGOS_RETRIES) == [("pagos-reintento", "a")]


def test_a_key_that_says_another_order_counts_as_well() -> None:
    pulsar = broker({COMMANDS: [sent(0, "b", CrearOrden(id="a").SerializeToString())]})
    assert sorted(found(pulsar, COMMANDS)) == [("crear-orden", "a"), ("crear-orden", "b")]


def test_timers_and_what_is_no_message_are_of_no_order() -> None:
    messages = [timer(0), sent(1, b"\xff", b"\xff"), sent(2, "no id!"), timer(3)]
    assert found(broker({ORDENES_RETRIES: messages, COMMANDS: messages})) == []


def test_too_much_to_read_is_said_of_its_topic_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unacknowledged, "MOST_READ", 3)
    pulsar = broker({COMMANDS: [sent(n, f"a{n}") for n in range(4)], UPDATES: [sent(0, "b")]})
    assert found(pulsar, COMMANDS, UPDATES) == [
        ("crear-orden", "a0"),
        ("crear-orden", "a1"),
        ("crear-orden", "a2"),
        ("crear-orden", None),
        ("orden-actualizada", "b"),
    ]


def test_a_slow_broker_is_asked_again() -> None:
    pulsar = broker({COMMANDS: [sent(n, name) for n, name in enumerate("abcd")]})
    pulsar.short_of = [3, 1]
    assert [order_id for _, order_id in found(pulsar, COMMANDS)] == ["a", "b", "c", "d"]


def test_what_the_broker_gives_nobody_and_has_acknowledged_itself_is_not_missing() -> None:
    messages = [sent(0, "a"), sent(1, "b"), sent(2, "c")]
    for ranges, all_read in (("[(1:1..1:2]]", True), ("[(1:0..1:1]]", False), ("[]", False)):
        pulsar = broker({COMMANDS: messages}, {COMMANDS: cursor("ordenes", "1:-1", ranges)})
        pulsar.short_of = [1, 1]
        assert (("crear-orden", None) not in found(pulsar, COMMANDS)) == all_read


def test_a_lost_connection_is_no_end() -> None:
    pulsar = broker({COMMANDS: [sent(0, "a"), sent(1, "b")]})
    pulsar.short_of, pulsar.connected = [1], False
    with pytest.raises(UnreachableError, match="crear-orden"):
        found(pulsar, COMMANDS)


def test_inputs_are_read_as_an_order_passes_them_and_retries_of_a_refund_after_it() -> None:
    pulsar = broker({source: [sent(0, "a")] for source in set(DOWNSTREAM)})
    assert [topic for topic, _ in found(pulsar)] == [source.topic for source in DOWNSTREAM]
    assert found(pulsar, TRANSACTIONS, CREATED, COMMANDS) == [
        ("crear-orden", "a"),
        ("orden-creada", "a"),
        ("transaccion-creada", "a"),
    ]


class Moving(FakePulsar):
    """A broker in which, after the first request, a message causes its next attempt and is acknowledged."""

    def get(self, path: str) -> Any:
        answer = super().get(path)
        if path.startswith(f"/admin/v2/persistent/{NAMESPACE}/{PAGOS_RETRIES.topic}-partition-0"):
            self.lie[full_name(PAGOS_RETRIES.topic)] = [sent(0, "a"), sent(1, "a")]
            self.answers[f"{PAGOS_RETRIES.topic}-partition-0/internalStats"] = cursor("pagos", "1:0")
        return answer


def test_a_message_is_met_that_is_put_off_again_while_its_topic_is_asked_for() -> None:
    still = broker({PAGOS_RETRIES: [sent(0, "a")]})
    moving: Any = Moving({PAGOS_RETRIES.topic: [sent(0, "a")]}, still.answers)
    assert Waits("pagos-reintento", "a") in list(waiting(moving, moving, {PAGOS_RETRIES}))


def test_a_cursor_is_read_as_pulsar_writes_it() -> None:
    assert Cursor.parse("12:3", "[]") == Cursor(Position(12, 3), [], [])
    stands = Cursor.parse("12:3", "[(12:5..12:7],(12:9..13:2]]")
    places = [(12, 3), (12, 4), (12, 5), (12, 6), (12, 7), (12, 8), (12, 9), (13, 0), (13, 2), (13, 3)]
    waits = [place for place in places if not stands.acknowledged(Position(*place))]
    assert waits == [(12, 4), (12, 5), (12, 8), (12, 9), (13, 3)]
