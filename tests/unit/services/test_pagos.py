"""Pagos: the decision, what it accepts, and the event it emits."""

import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import InvalidMessage
from alpes_runtime.tracing import valid_traceparent
from functions.pagos import messages
from functions.pagos.domain import Cobro, Transaccion, difference, drawn, transaccion
from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.fields import text, whole
from tests.unit.services.wire import arrived, seed_order, seed_transaction

COBRO = Cobro("orden-1", 1250, "USD", "")
IDS = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789._-", min_size=1, max_size=128)
COBROS = st.builds(Cobro, IDS, st.integers(0, 2**63 - 1), st.just("USD"), st.just(""))


def decide(cobro: Cobro, rate: float, now_ms: int) -> Transaccion:
    return transaccion(cobro, drawn(cobro.order_id, rate), now_ms)


@given(cobro=COBROS, rate=st.floats(0, 1), times=st.tuples(st.integers(), st.integers()))
def test_a_charge_is_decided_alike_however_often_and_whenever(
    cobro: Cobro, rate: float, times: tuple[int, int]
) -> None:
    one, two = (decide(cobro, rate, now) for now in times)
    assert one._replace(processed_at_ms=0) == two._replace(processed_at_ms=0)
    assert one.status in ("aprobada", "rechazada")
    assert uuid.UUID(one.id).version == 4
    assert (one.order_id, one.amount_cents, one.currency) == cobro[:3]


@given(cobro=COBROS, other=COBROS)
def test_the_amount_has_no_say_in_the_outcome_and_no_two_orders_share_a_transaction(cobro: Cobro, other: Cobro) -> None:
    same = decide(cobro._replace(amount_cents=other.amount_cents), 0.5, 1)
    assert (same.id, same.status) == (decide(cobro, 0.5, 1).id, decide(cobro, 0.5, 1).status)
    assert (decide(cobro, 0.5, 1).id == decide(other, 0.5, 1).id) == (cobro.order_id == other.order_id)


@given(cobro=COBROS)
def test_nothing_is_approved_at_0_and_everything_at_1(cobro: Cobro) -> None:
    assert decide(cobro, 0, 1).status == "rechazada"
    assert decide(cobro, 1, 1).status == "aprobada"


@given(cobro=COBROS, rates=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_higher_rate_rejects_nothing_that_a_lower_one_approves(cobro: Cobro, rates: tuple[float, float]) -> None:
    low, high = sorted(rates)
    assert not (decide(cobro, low, 1).status == "aprobada" and decide(cobro, high, 1).status == "rechazada")


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 0.99])
def test_the_share_of_approved_orders_is_the_rate(rate: float) -> None:
    approved = sum(decide(COBRO._replace(order_id=f"orden-{n}"), rate, 1).status == "aprobada" for n in range(20_000))
    assert approved / 20_000 == pytest.approx(rate, abs=0.012)


@pytest.mark.parametrize(
    ("field", "other", "counts"), [("amount_cents", 1, True), ("currency", "COP", True), ("traceparent", "x", False)]
)
def test_a_charge_is_the_same_when_amount_and_currency_are(field: str, other: Any, counts: bool) -> None:
    changes: dict[str, Any] = {field: other}
    why = difference(COBRO._replace(**changes), decide(COBRO, 0.9, 1))
    assert (field in why) == bool(why) == counts


@pytest.mark.parametrize("sixth", [False, True], ids=["fields 1-5", "fields 1-6"])
def test_the_first_services_order_is_charged_what_ordenes_would_derive(sixth: bool) -> None:
    cobro = messages.decode_orden_creada(arrived(seed_order(sixth=sixth)))
    assert cobro == Cobro("orden-1", derived_total_cents("orden-1"), "USD", "")


@pytest.mark.parametrize("total", [0, 2**63 - 1])
def test_a_total_that_is_given_is_charged_zero_too(total: int) -> None:
    assert messages.decode_orden_creada(arrived(seed_order() + whole(8, total))).amount_cents == total


@pytest.mark.parametrize(
    ("field", "payload"),
    [
        *[("id", seed_order(bad)) for bad in ("", "a b", "ñ", "a" * 129, "a\n")],
        ("total_cents", seed_order() + whole(8, -1)),
        ("currency", seed_order() + text(9, "usd")),
        ("currency", seed_order() + text(9, "USDX")),
    ],
)
def test_an_invalid_order_is_refused_with_the_fields_name(field: str, payload: bytes) -> None:
    with pytest.raises(InvalidMessage, match=rf"^{field} "):
        messages.decode_orden_creada(arrived(payload))


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"not protobuf", b"\x0a\x05ab", text(1, b"\xff\xfe")])
def test_bytes_that_are_no_message_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessage, match="not a OrdenCreada"):
        messages.decode_orden_creada(arrived(payload))


@given(payload=st.binary(max_size=60))
def test_any_bytes_are_a_charge_or_invalid_and_nothing_else(payload: bytes) -> None:
    try:
        messages.decode_orden_creada(arrived(payload))
    except InvalidMessage:
        return


def test_transaccion_creada_says_what_was_decided_in_the_same_bytes_each_time() -> None:
    decided = decide(COBRO, 1.0, 1_767_225_601_456)
    event = messages.transaccion_creada("t", decided)
    assert event == messages.transaccion_creada("t", Transaccion(*decided))
    assert (event.topic, event.key, event.properties) == ("t", "orden-1", None)
    decoded = TransaccionProcesada.FromString(event.payload)
    assert (decoded.order_id, decoded.id, decoded.status) == ("orden-1", decided.id, "aprobada")
    assert (decoded.amount_cents, decoded.currency) == (1250, "USD")
    assert (decoded.processed_at_ms, decoded.event_type, decoded.schema_version) == (
        1_767_225_601_456,
        "transaccion-creada",
        1,
    )
    assert decoded.event_id == f"transaccion-creada:{decided.id}"
    assert valid_traceparent(decoded.traceparent)


def test_a_charge_of_zero_travels_as_zero() -> None:
    decided = decide(COBRO._replace(amount_cents=0), 1.0, 1)
    assert TransaccionProcesada.FromString(messages.transaccion_creada("t", decided).payload).HasField("amount_cents")


@pytest.mark.parametrize(
    "payload",
    [
        seed_transaction(),
        seed_order() + text(12, "orden-actualizada"),
        messages.transaccion_creada("t", decide(COBRO, 1.0, 1)).payload,
    ],
    ids=["first clients' transaction", "orden-actualizada", "transaccion-creada"],
)
def test_another_message_is_not_charged(payload: bytes) -> None:
    with pytest.raises(InvalidMessage):
        messages.decode_orden_creada(arrived(payload))


def test_fields_of_a_later_version_are_no_hindrance() -> None:
    assert (
        messages.decode_orden_creada(arrived(seed_order() + text(1900, "nuevo") + whole(1901, 7))).order_id == "orden-1"
    )
