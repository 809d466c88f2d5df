"""Ordenes: the state machine, what it accepts, and the events it emits."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import InvalidMessage
from alpes_runtime.tracing import valid_traceparent
from functions.ordenes import domain, messages
from functions.ordenes.domain import (
    Orden,
    OrdenGuardada,
    Reaction,
    Transaccion,
    contradiction,
    difference,
    reaction,
)
from schemas.tienda import rules
from schemas.tienda.orden import APROBADA, CREADA, EXPIRADA, REEMBOLSADA, STATUSES, Direccion
from schemas.tienda.upcasters import NEWEST
from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.fields import text, whole
from tests.unit.services.wire import PUBLISHED_MS, arrived, seed_order, seed_transaction

GOLDEN = Path(__file__).parents[2] / "contract" / "golden"
ORDEN = Orden("orden-1", 42, "Calle 93", 1250, "USD", 1_767_225_600_123, "")
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def saved(
    status: str = "aprobada", version: int = 2, transaction_id: str = "t-1", orden: Orden = ORDEN
) -> OrdenGuardada:
    return OrdenGuardada(orden, status, version, 1_767_225_601_456, transaction_id)


@pytest.mark.parametrize(("before", "after"), list(itertools.product(STATUSES, STATUSES)))
def test_an_order_moves_forward_only(before: str, after: str) -> None:
    allowed = {
        ("creada", "aprobada"),
        ("creada", "rechazada"),
        ("creada", "expirada"),
        ("expirada", "reembolsada"),
    }
    to = domain.VENCIDA if after == EXPIRADA else after
    moves = domain.REACTIONS.get((before, to)) is Reaction.MOVE
    assert moves == ((before, after) in allowed)
    assert moves == (domain.PREVIOUS.get(to) == before)


def test_the_table_says_what_every_order_does_about_everything() -> None:
    assert set(domain.REACTIONS) == set(itertools.product(STATUSES, domain.HAPPENINGS))


def test_a_happening_that_changes_two_statuses_is_refused() -> None:
    twice = {**domain.REACTIONS, (APROBADA, domain.VENCIDA): Reaction.MOVE}
    with pytest.raises(ValueError, match="vencida changes more than one status"):
        domain.only_moves(twice)


def machine(happenings: Sequence[str]) -> tuple[str, list[Reaction]]:
    """Follow the table from a new order on; return its last status and each reaction."""
    status, reactions = CREADA, []
    for happening in happenings:
        reactions.append(domain.REACTIONS[status, happening])
        if reactions[-1] is Reaction.MOVE:
            status = EXPIRADA if happening == domain.VENCIDA else happening
    return status, reactions


@pytest.mark.parametrize("paid", ["aprobada", "rechazada"])
@pytest.mark.parametrize("length", range(1, 7))
def test_in_every_order_of_arrival_an_order_ends_as_its_first_decision_says(paid: str, length: int) -> None:
    """Everything that can happen to an order whose payment was decided once, in every order and number."""
    for happenings in itertools.product((paid, REEMBOLSADA, domain.VENCIDA), repeat=length):
        end, reactions = machine(happenings)
        decisions = [happening for happening in happenings if happening != REEMBOLSADA]
        first = decisions[0] if decisions else None
        refund_came = domain.VENCIDA in happenings and REEMBOLSADA in happenings[happenings.index("vencida") :]
        expected = {None: {"creada"}, paid: {paid}, domain.VENCIDA: {"reembolsada" if refund_came else "expirada"}}
        assert {end} == expected[first], happenings
        # An order that is charged too late is paid back, and no other.
        refunded = Reaction.REFUND in reactions
        assert refunded == (paid == "aprobada" and "aprobada" in _while_expired(happenings)), happenings


def _while_expired(happenings: Sequence[str]) -> Sequence[str]:
    """Return what happens while the order is expired."""
    status, seen = CREADA, []
    for happening in happenings:
        if status == EXPIRADA:
            seen.append(happening)
        status, _ = machine([*_path(status), happening])
    return seen


def _path(status: str) -> list[str]:
    return {"creada": [], "expirada": ["vencida"], "reembolsada": ["vencida", "reembolsada"]}.get(status, [status])


@pytest.mark.parametrize("happenings", list(itertools.product(domain.HAPPENINGS, repeat=3)), ids=" ".join)
def test_a_repetition_changes_nothing(happenings: tuple[str, ...]) -> None:
    once, _ = machine(happenings)
    assert machine([*happenings, *happenings[-1:]])[0] == once


@pytest.mark.parametrize(
    ("accepted", "width", "window"),
    [(0, 10, (0, 10)), (9, 10, (0, 10)), (10, 10, (10, 20)), (1_234_567, 1000, (1_234_000, 1_235_000))],
)
def test_orders_of_a_window_share_a_timer(accepted: int, width: int, window: tuple[int, int]) -> None:
    assert domain.ventana(accepted, width) == window


@pytest.mark.parametrize(
    ("field", "other", "counts"),
    [
        ("client_id", 43, True),
        ("address", "Calle 94", True),
        ("total_cents", 0, True),
        ("currency", "COP", True),
        ("created_at_ms", 1, False),
        ("traceparent", TRACE, False),
        ("direccion", Direccion("Calle 93"), False),
    ],
)
def test_same_content_is_client_address_total_and_currency(field: str, other: Any, counts: bool) -> None:
    changes: dict[str, Any] = {field: other}
    why = difference(ORDEN._replace(**changes), ORDEN)
    assert bool(why) == counts
    assert (field in why) == counts
    assert ORDEN.address not in why, "an error is in logs and dead letters, where no address belongs"


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("paid", ["aprobada", "rechazada", "reembolsada"])
@pytest.mark.parametrize("amount", [None, ORDEN.total_cents, ORDEN.total_cents + 1])
@pytest.mark.parametrize("currency", ["", ORDEN.currency, "KWD"])
@pytest.mark.parametrize(("sent", "stored"), [("t-1", "t-1"), ("t-1", "t-2"), ("", "t-1"), ("t-1", ""), ("", "")])
def test_an_order_reacts_to_a_transaction_of_its_amount_as_the_table_says_and_refuses_any_other(
    status: str, paid: str, amount: int | None, currency: str, sent: str, stored: str
) -> None:
    transaccion = Transaccion("orden-1", paid, sent, amount, currency)
    guardada = saved(status, transaction_id=stored)
    same_amount = amount in (None, ORDEN.total_cents) and currency in ("", ORDEN.currency)
    fits = same_amount and not (sent and stored and sent != stored)
    expected = domain.REACTIONS[status, paid] if fits else Reaction.REFUSE
    assert reaction(transaccion, guardada) is expected
    assert bool(contradiction(transaccion, guardada)) == (expected is Reaction.REFUSE)


@pytest.mark.parametrize("sixth", [False, True], ids=["fields 1-5", "fields 1-6"])
@pytest.mark.parametrize("status", ["", "creada", "cualquier cosa"])
def test_the_first_clients_order_is_accepted_whatever_its_status_says(sixth: bool, status: str) -> None:
    orden = messages.decode_crear_orden(arrived(seed_order(sixth=sixth, status=status)))
    assert orden == Orden("orden-1", 42, "Calle 93", derived_total_cents("orden-1"), "USD", PUBLISHED_MS, "")


def test_the_first_services_transaction_is_accepted() -> None:
    assert messages.decode_transaccion(arrived(seed_transaction())) == Transaccion("orden-1", "aprobada", "", None, "")


@pytest.mark.parametrize("total", [0, 1, 2**63 - 1])
def test_a_total_that_is_given_is_taken_zero_too(total: int) -> None:
    assert messages.decode_crear_orden(arrived(seed_order() + whole(8, total))).total_cents == total


def test_every_field_of_today_is_taken() -> None:
    sent = CrearOrden(
        id="a.B_c-9",
        client_id=-1,
        address="Carrera 7 # 71-21, Bogotá 🏙",
        created_at_ms=rules.LAST_TIME_MS,
        total_cents=5,
        currency="COP",
        traceparent=TRACE,
    )
    decoded = messages.decode_crear_orden(arrived(sent.SerializeToString()))
    assert decoded == Orden("a.B_c-9", -1, "Carrera 7 # 71-21, Bogotá 🏙", 5, "COP", rules.LAST_TIME_MS, TRACE)


def test_seconds_sent_as_milliseconds_are_refused_with_what_they_would_be() -> None:
    with pytest.raises(InvalidMessage) as refused:
        messages.decode_crear_orden(arrived(seed_order() + whole(7, 1_767_225_600)))
    assert str(refused.value) == (
        "created_at_ms is 1767225600, which looks like seconds: it must be Unix milliseconds, such as 1767225600000"
    )
    with pytest.raises(
        InvalidMessage, match=r"^created_at_ms is 100000000, which looks like seconds: .* milliseconds$"
    ):
        messages.decode_crear_orden(arrived(seed_order() + whole(7, 10**8)))


@pytest.mark.parametrize("off_ms", [-365 * 86_400_000, -3_600_000, 3_600_000, 365 * 86_400_000])
def test_the_time_of_a_clock_that_is_wrong_is_kept(off_ms: int) -> None:
    sent = seed_order() + whole(7, PUBLISHED_MS + off_ms)
    assert messages.decode_crear_orden(arrived(sent)).created_at_ms == PUBLISHED_MS + off_ms
    assert messages.decode_crear_orden(arrived(seed_order() + whole(7, 10**11 + 1))).created_at_ms == 10**11 + 1


PARTS = Direccion("Calle 93", "13-24", "Apto. 501", "110221", "Bogotá", "D.C.", "CO")


def crear_orden(**changes: Any) -> bytes:
    fields = {"id": "a", "client_id": 1, "created_at_ms": PUBLISHED_MS, "total_cents": 5, "currency": "COP"}
    return CrearOrden(**fields | {"address": PARTS.line()} | changes).SerializeToString()  # type: ignore[arg-type]


def test_an_address_comes_in_a_line_in_parts_or_in_both_and_is_the_same_order() -> None:
    line, parts, both = (
        messages.decode_crear_orden(arrived(payload))
        for payload in (
            crear_orden(),
            crear_orden(address="", direccion=PARTS._asdict(), schema_version=2),
            crear_orden(direccion=PARTS._asdict(), schema_version=2),
        )
    )
    assert (line.direccion, parts.direccion, both.direccion) == (None, PARTS, PARTS)
    assert line.address == parts.address == both.address == "Calle 93 13-24, Apto. 501, 110221 Bogotá, D.C., CO"
    assert difference(line, both) == difference(both, line) == difference(parts, line) == ""


def test_parts_that_say_no_more_than_the_line_are_not_stored() -> None:
    for parts in ({}, {"calle": PARTS.line()}):
        assert messages.decode_crear_orden(arrived(crear_orden(direccion=parts, schema_version=2))).direccion is None


@pytest.mark.parametrize("part", Direccion._fields)
def test_a_part_that_is_wrong_is_named(part: str) -> None:
    for bad in ("a\0b", "x" * 1001, *(["Colombia", "co", "C"] if part == "pais" else [])):
        with pytest.raises(InvalidMessage, match=rf"^direccion\.{part} "):
            messages.decode_crear_orden(arrived(crear_orden(direccion={part: bad}, schema_version=2)))


def test_parts_without_any_content_are_no_address() -> None:
    with pytest.raises(InvalidMessage, match=r"^address "):
        messages.decode_crear_orden(arrived(crear_orden(address="", direccion={}, schema_version=2)))


def test_a_line_made_of_the_parts_is_at_most_as_long_as_any() -> None:
    with pytest.raises(InvalidMessage, match=r"^the line of direccion must have 1 to 1000 characters"):
        messages.decode_crear_orden(
            arrived(crear_orden(address="", direccion={"calle": "x" * 600, "ciudad": "y" * 600}, schema_version=2))
        )


@pytest.mark.parametrize(
    ("accepted", "parts"), [(ORDEN, Direccion(ORDEN.address)), (ORDEN._replace(direccion=PARTS), PARTS)]
)
def test_events_are_of_the_newest_version_or_of_the_one_that_is_asked_for(accepted: Orden, parts: Direccion) -> None:
    guardada = saved(orden=accepted)
    for kind, newest, older in (
        (OrdenCreada, messages.orden_creada("t", accepted), messages.orden_creada("t", accepted, 1)),
        (OrdenActualizada, messages.orden_actualizada("t", guardada), messages.orden_actualizada("t", guardada, 1)),
    ):
        new, old = kind.FromString(newest.payload), kind.FromString(older.payload)
        assert (new.schema_version, rules.direccion_of(new)) == (NEWEST, parts)
        assert (old.schema_version, old.HasField("direccion")) == (1, False)


def test_version_1_is_to_the_byte_what_it_always_was() -> None:
    golden = json.loads((GOLDEN / "orden-creada.1.json").read_text(encoding="utf-8"))
    fields = golden["fields"]
    orden = Orden(
        fields["id"],
        fields["client_id"],
        fields["address"],
        int(fields["total_cents"]),
        fields["currency"],
        int(fields["created_at_ms"]),
        "",
        PARTS,
    )
    written = OrdenCreada.FromString(messages.orden_creada("t", orden, 1).payload)
    written.traceparent = fields["traceparent"]
    assert written.SerializeToString(deterministic=True).hex() == golden["hex"]


def test_a_broken_trace_is_dropped_and_the_order_taken() -> None:
    assert messages.decode_crear_orden(arrived(seed_order() + text(10, "garbage"))).traceparent == ""


BAD_IDS = ["", "a b", "ñ", "a/b", "a\n", "a" * 129, "a:b", "a\0"]


@pytest.mark.parametrize(
    ("field", "payload"),
    [
        *[("id", seed_order(bad)) for bad in BAD_IDS],
        ("address", seed_order() + text(3, "")),
        ("address", seed_order() + text(3, "x" * 1001)),
        ("address", seed_order() + text(3, "a\0b")),
        ("total_cents", seed_order() + whole(8, -1)),
        ("total_cents", seed_order() + whole(8, -(2**63))),
        *[("currency", seed_order() + text(9, bad)) for bad in ("usd", "US", "USDX", "U$D", "USD\n")],
        ("created_at_ms", seed_order() + whole(7, -1)),
        ("created_at_ms", seed_order() + whole(7, rules.LAST_TIME_MS + 1)),
        ("created_at_ms", seed_order() + whole(7, 1)),
        ("created_at_ms", seed_order() + whole(7, 10**11)),
    ],
)
def test_an_invalid_order_is_refused_with_the_fields_name(field: str, payload: bytes) -> None:
    with pytest.raises(InvalidMessage, match=rf"^{field} "):
        messages.decode_crear_orden(arrived(payload))


@pytest.mark.parametrize(
    ("field", "payload"),
    [
        *[("order_id", seed_transaction(bad)) for bad in BAD_IDS],
        *[("status", seed_transaction(status=bad)) for bad in ("", "Aprobada", "creada", "expirada", "aprobada ")],
        ("status", seed_transaction(status="vencida")),
        *[("id", seed_transaction() + text(3, bad)) for bad in BAD_IDS if bad],
    ],
)
def test_an_invalid_transaction_is_refused_with_the_fields_name(field: str, payload: bytes) -> None:
    with pytest.raises(InvalidMessage, match=rf"^{field} "):
        messages.decode_transaccion(arrived(payload))


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"not protobuf", b"\x0a\x05ab", text(1, b"\xff\xfe")])
def test_bytes_that_are_no_message_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessage, match="not a CrearOrden"):
        messages.decode_crear_orden(arrived(payload))
    with pytest.raises(InvalidMessage, match="not a TransaccionProcesada"):
        messages.decode_transaccion(arrived(payload))


@given(payload=st.binary(max_size=60))
def test_any_bytes_are_an_order_or_invalid_and_nothing_else(payload: bytes) -> None:
    for decode in (messages.decode_crear_orden, messages.decode_transaccion):
        try:
            decode(arrived(payload))
        except InvalidMessage:
            continue


def test_an_order_among_the_transactions_is_refused() -> None:
    event = messages.orden_creada("t", ORDEN)
    with pytest.raises(InvalidMessage, match="status"):
        messages.decode_transaccion(arrived(event.payload))


def test_orden_creada_says_what_was_accepted() -> None:
    event = messages.orden_creada("t", ORDEN)
    assert (event.topic, event.key, event.properties, event.delay_ms) == ("t", "orden-1", None, 0)
    decoded = OrdenCreada.FromString(event.payload)
    assert (
        Orden(
            decoded.id,
            decoded.client_id,
            decoded.address,
            decoded.total_cents,
            decoded.currency,
            decoded.created_at_ms,
            "",
        )
        == ORDEN
    )
    assert (decoded.status, decoded.service, decoded.event_type, decoded.schema_version) == (
        "creada",
        "ordenes",
        "orden-creada",
        NEWEST,
    )
    assert decoded.event_id == "orden-creada:orden-1"
    assert valid_traceparent(decoded.traceparent)


def test_orden_actualizada_says_how_the_order_stands() -> None:
    decoded = OrdenActualizada.FromString(messages.orden_actualizada("t", saved()).payload)
    assert (decoded.status, decoded.version, decoded.updated_at_ms, decoded.transaction_id) == (
        "aprobada",
        2,
        1_767_225_601_456,
        "t-1",
    )
    assert (decoded.event_id, decoded.event_type) == ("orden-actualizada:orden-1:2", "orden-actualizada")
    assert (decoded.id, decoded.total_cents, decoded.currency) == ("orden-1", 1250, "USD")


def test_a_total_of_zero_travels_as_zero() -> None:
    decoded = OrdenCreada.FromString(messages.orden_creada("t", ORDEN._replace(total_cents=0)).payload)
    assert decoded.HasField("total_cents")
    assert decoded.total_cents == 0


def test_an_event_that_is_emitted_again_has_the_same_bytes() -> None:
    assert messages.orden_creada("t", ORDEN) == messages.orden_creada("t", Orden(*ORDEN))
    assert messages.orden_actualizada("t", saved()) == messages.orden_actualizada("t", saved())


def test_each_change_of_an_order_is_an_event_of_its_own() -> None:
    ids = {
        OrdenActualizada.FromString(messages.orden_actualizada("t", saved(version=v)).payload).event_id for v in (2, 3)
    }
    assert len(ids) == 2


def test_the_clients_trace_goes_on_through_both_events() -> None:
    orden = ORDEN._replace(traceparent=TRACE)
    created = OrdenCreada.FromString(messages.orden_creada("t", orden).payload).traceparent
    updated = OrdenActualizada.FromString(
        messages.orden_actualizada("t", saved()._replace(orden=orden)).payload
    ).traceparent
    assert created.split("-")[1] == updated.split("-")[1] == TRACE.split("-")[1]
    assert len({created, updated, TRACE}) == 3


def test_a_transaction_in_full_is_taken() -> None:
    sent = TransaccionProcesada(order_id="orden-1", status="rechazada", id="t-1", amount_cents=0, currency="USD")
    decoded = messages.decode_transaccion(arrived(sent.SerializeToString()))
    assert decoded == Transaccion("orden-1", "rechazada", "t-1", 0, "USD")


@pytest.mark.parametrize(
    "payload",
    [
        seed_transaction(),
        TransaccionProcesada(order_id="orden-1", status="aprobada", id="t-1", amount_cents=5).SerializeToString(),
    ],
    ids=["fields 1-2", "in full"],
)
def test_a_transaction_among_the_orders_is_no_order(payload: bytes) -> None:
    with pytest.raises(InvalidMessage):
        messages.decode_crear_orden(arrived(payload))


def test_another_event_among_the_transactions_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="event_type is 'orden-creada'"):
        messages.decode_transaccion(arrived(seed_transaction() + text(12, "orden-creada")))


def test_fields_of_a_later_version_are_no_hindrance() -> None:
    assert messages.decode_crear_orden(arrived(seed_order() + text(1900, "nuevo") + whole(1901, 7))).id == "orden-1"
