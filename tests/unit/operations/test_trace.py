"""What messages and rows say about an order's way."""

from typing import Any

import pytest

from operations.commands.trace import _state
from operations.trace.hops import TOPICS, Hop, TraceRows, in_order, message_hop, trace_id
from operations.trace.messages import Span, find
from schemas.tienda.contracts import CONTRACTS
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, VencerOrdenes
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada
from tests.unit.connection.admin_server import answering
from tests.unit.connection.fake_pulsar import FakePulsar, sent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ACCEPTED_MS = 5_000


def hop(topic: str, payload: bytes, **properties: str) -> Hop | None:
    named = {name.replace("_", "."): value for name, value in properties.items()}
    return message_hop(topic, "a", ACCEPTED_MS, payload, named, 7, "1:2")


def source(topic: str) -> str:
    return f"persistent://alpes/tienda/{topic}"


@pytest.mark.parametrize(
    ("topic", "payload", "what"),
    [
        (
            "crear-orden",
            CrearOrden(id="a", client_id=3, address="Calle 3", total_cents=0, status="x"),
            "ordered by client 3 for 'Calle 3', 0.00 USD",
        ),
        (
            "orden-actualizada",
            OrdenActualizada(id="a", status="aprobada", version=2, total_cents=1250, currency="COP"),
            "aprobada, version 2, 12.50 COP",
        ),
        ("transaccion-creada", TransaccionProcesada(order_id="a", status="rechazada"), "rechazada"),
        ("reembolsar-transaccion", ReembolsarTransaccion(order_id="a", amount_cents=5), "asked for, 0.05 USD"),
    ],
)
def test_a_message_says_what_it_is_about(topic: str, payload: CrearOrden, what: str) -> None:
    payload.traceparent = PARENT
    assert hop(topic, payload.SerializeToString()) == Hop(7, topic, what, TRACE, "1:2")


@pytest.mark.parametrize("topic", CONTRACTS)
def test_a_message_of_another_order_is_none_of_ours(topic: str) -> None:
    contract = CONTRACTS[topic]
    other = contract.kind(**{contract.id_field: "ab"})
    assert hop(topic, other.SerializeToString()) is None
    assert hop(f"{topic}-DLQ", other.SerializeToString()) is None


def test_what_cannot_be_decoded_under_the_orders_key_is_shown() -> None:
    assert hop("crear-orden", b"\xff") == Hop(7, "crear-orden", "can't be decoded", "", "1:2")


def test_a_dead_letter_says_why() -> None:
    payload = TransaccionProcesada(order_id="a", status="aprobada").SerializeToString()
    properties = {"error_type": "bug", "error_message": "Traceback\n…\nValueError: no\n"}
    found = hop("transaccion-creada-DLQ", payload, source_topic=source("transaccion-creada"), **properties)
    assert found is not None
    assert found.what == "dead letter, bug: ValueError: no"


def test_a_dead_letter_without_its_message_is_the_orders_under_whose_key_it_lies() -> None:
    why = {"source.topic": source("crear-orden"), "error.type": "bug", "error.message": "no", "payload.omitted": "7"}
    other = CrearOrden(id="b").SerializeToString()
    letters = [
        sent(0, "a", b"", why),
        sent(1, "b", b"", why),
        sent(2, "vencer:1", b"", why),
        sent(3, "a", other, why),
        sent(4, b"\xff", b"", why),
    ]
    broker: Any = FakePulsar({"crear-orden-DLQ": letters})
    told = find(
        broker,
        broker,
        ["crear-orden-DLQ"],
        Span(None, None),
        order_id="a",
        accepted_at_ms=ACCEPTED_MS,
        goes_on=lambda _number: True,
    )
    assert told.messages == len(letters)
    assert told.hops == [Hop(0, "crear-orden-DLQ", "dead letter, bug: no", "", "1:0")]


def test_an_empty_message_under_the_orders_key_is_shown() -> None:
    assert hop("crear-orden", b"") == Hop(7, "crear-orden", "is empty", "", "1:2")


def test_a_later_attempt_says_what_it_is_of() -> None:
    payload = TransaccionProcesada(order_id="a", status="aprobada").SerializeToString()
    found = hop("ordenes-reintento", payload, source_topic=source("transaccion-creada"), attempt="2")
    assert found is not None
    assert found.what == "attempt 2 at transaccion-creada is put off; aprobada"


def test_a_timer_is_about_the_orders_of_its_window() -> None:
    def timer(from_ms: int, until_ms: int) -> Hop | None:
        payload = VencerOrdenes(accepted_from_ms=from_ms, accepted_until_ms=until_ms).SerializeToString()
        return hop("ordenes-reintento", payload)

    assert timer(5_000, 6_000) is not None
    assert timer(4_000, 5_000) is None
    assert timer(5_001, 6_000) is None


def test_what_comes_again_is_marked_and_rows_are_not() -> None:
    hops = [Hop(3, "crear-orden", "x", "", "1:3"), Hop(1, "crear-orden", "x", "", "1:1"), Hop(2, "table ordenes", "x")]
    assert [(hop.at_ms, hop.what) for hop in in_order(hops)] == [(1, "x"), (2, "x"), (3, "x (again, 2)")]


def test_in_the_same_millisecond_causes_come_before_effects() -> None:
    places = ["client", "crear-orden", "table ordenes", "orden-creada", "table transacciones", "orden-actualizada"]
    told = in_order([Hop(1, place, "") for place in reversed(places)])
    assert [hop.place for hop in told] == places


def test_rows_tell_the_way_of_an_order() -> None:
    rows = TraceRows(
        orden=("reembolsada", 3, 1250, "USD", 90, 100, 400, "t", PARENT),
        transaccion=("t", "aprobada", 1250, "USD", 300),
        reembolso=("t", 1250, "USD", 390),
        leida=("reembolsada", 3, 1250, "USD", 400),
        marks=[410],
    )
    assert [hop.at_ms for hop in rows.hops()] == [90, 100, 400, 300, 390, 400]
    shown = "shows reembolsada, version 3, 12.50 USD, changed then"
    assert in_order(rows.hops())[-1] == Hop(400, "table ordenes of reporting", shown)
    assert (rows.trace_id, rows.accepted_at_ms) == (TRACE, 100)
    span = Span.around(rows.times(), 0.01)
    assert (span.since_ms, span.until_ms) == (90, 420)
    assert TraceRows().hops() == []
    assert TraceRows().times() == []


def test_traces_read_as_people_write_them() -> None:
    assert (trace_id(PARENT), trace_id(""), trace_id("a-b-c-d")) == (TRACE, "", "")


def test_every_topic_that_is_about_orders_is_looked_at() -> None:
    from deployment import topology

    declared = {topic.name for topic in topology.load().topics}
    assert set(TOPICS) <= declared


@pytest.mark.parametrize(
    ("code", "body", "state", "said"),
    [
        (200, {"stringValue": "aprobada"}, "aprobada", ""),
        (404, {"reason": "key 'a' doesn't exist."}, "", ""),
        (503, {"reason": "not done initializing"}, None, "not done initializing"),
        (403, {"reason": "who are you"}, None, "who are you"),
        (200, b"<html>", None, "does not answer as Pulsar's admin API"),
    ],
)
def test_a_state_store_that_cannot_be_asked_costs_no_trace(
    code: int,
    body: object,
    state: str | None,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with answering((code, body)) as (client, _):
        assert _state(client, "a") == state
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == bool(said)
