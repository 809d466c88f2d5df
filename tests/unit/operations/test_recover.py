"""The retained message that takes a lost order further is chosen, found, and sent unchanged."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from operations.commands.recover import Plan
from operations.reconcile.merge import OrdenRow, PagoRow, Rows
from operations.reconcile.rules import CHARGED, NOT_RECORDED, READ_MODEL, SEEN, SET_BACK, WAITING, Verdict
from operations.recover import sending
from operations.recover.choice import places
from operations.recover.retained import Recoverable, Retained
from schemas.tienda.orden import CREADA, EXPIRADA
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada
from tests.unit.connection.fake_pulsar import FakePulsar, sent

PAYMENT = CHARGED[CREADA, "absent"].why
SETTLING = CHARGED[CREADA, "aprobada"].why
REFUND = CHARGED[EXPIRADA, "aprobada"].why
REFUNDED = CHARGED[EXPIRADA, "reembolsada"].why
NO_ORDER = CHARGED["absent", "aprobada"].why
NOT_CHARGED = CHARGED["aprobada", "absent"].why
KEPT = CHARGED["reembolsada", "aprobada"].why
NOT_ENDED = SEEN[False, "same"].why
TOPICS = ("crear-orden", "orden-creada", "transaccion-creada", "reembolsar-transaccion", "orden-actualizada")


def orden(status: str = "creada", version: int = 1) -> OrdenRow:
    return ("a", status, version, 1250, "USD", 7, "")


def pago(status: str = "aprobada") -> PagoRow:
    return ("a", status, 1250, "USD", "t-1")


def rows(mine: OrdenRow | None, paid: PagoRow | None = None) -> Rows:
    return Rows("a", mine, paid, None)


def command(order_id: str = "a", **values: Any) -> bytes:
    given = {"client_id": 7, "total_cents": 1250, "currency": "USD", "address": "Calle 7", **values}
    return CrearOrden(id=order_id, **given).SerializeToString()


def created(**values: Any) -> bytes:
    given = {"client_id": 7, "total_cents": 1250, "currency": "USD", **values}
    return OrdenCreada(id="a", **given).SerializeToString()


def transaction(status: str = "aprobada", **values: Any) -> bytes:
    given = {"id": "t-1", "amount_cents": 1250, "currency": "USD", **values}
    return TransaccionProcesada(order_id="a", status=status, **given).SerializeToString()


def refund(**values: Any) -> bytes:
    return ReembolsarTransaccion(order_id="a", **{"transaction_id": "t-1", **values}).SerializeToString()


def update(status: str, version: int) -> bytes:
    return OrdenActualizada(id="a", status=status, version=version).SerializeToString()


def recover(topics: Mapping[str, Sequence[bytes]], why: str, of: Rows | None) -> tuple[str | None, bytes, FakePulsar]:
    lie = {topic: [sent(n, "k", payload) for n, payload in enumerate(topics.get(topic, ()))] for topic in TOPICS}
    broker: Any = FakePulsar(lie)
    with Retained() as retained:
        retained.want([("a", why, of)])
        retained.find(broker, broker, lambda _number: None)
        (found,) = retained.orders()
    return found.topic, found.payload, broker


@pytest.mark.parametrize(
    ("why", "of", "expected"),
    [
        (NOT_RECORDED.why, None, ("crear-orden",)),
        (PAYMENT, rows(orden()), ("orden-creada", "crear-orden")),
        (SETTLING, rows(orden(), pago()), ("transaccion-creada", "orden-creada", "crear-orden")),
        (
            REFUND,
            rows(orden("expirada", 2), pago()),
            ("reembolsar-transaccion", "transaccion-creada", "orden-creada", "crear-orden"),
        ),
        (
            REFUNDED,
            rows(orden("expirada", 2), pago("reembolsada")),
            ("transaccion-creada", "reembolsar-transaccion", "orden-creada", "crear-orden"),
        ),
        (
            READ_MODEL.why,
            rows(orden("aprobada", 2), pago()),
            ("orden-actualizada", "transaccion-creada", "orden-creada", "crear-orden"),
        ),
        # One database was set back, and others were not.
        (NO_ORDER, rows(None, pago()), ("crear-orden",)),
        (NOT_CHARGED, rows(orden("aprobada", 2)), ("orden-creada", "crear-orden")),
        (KEPT, rows(orden("reembolsada", 3), pago()), ("reembolsar-transaccion", "orden-creada", "crear-orden")),
        (NOT_ENDED, rows(orden(), pago()), ("transaccion-creada", "orden-creada", "crear-orden")),
        # If it were charged now, it would only be paid back.
        (READ_MODEL.why, rows(orden("expirada", 2)), ("orden-actualizada", "transaccion-creada")),
    ],
)
def test_the_last_message_of_an_orders_way_is_looked_for_first(
    why: str, of: Rows | None, expected: tuple[str, ...]
) -> None:
    assert places(why, of) == expected


def test_whatever_an_order_waits_for_there_is_a_topic_to_look_in() -> None:
    for why in (*WAITING, *SET_BACK):
        assert places(why, rows(orden("aprobada", 2), pago()))


def test_what_a_set_back_database_lacks_differs_and_what_only_a_bug_makes_is_left() -> None:
    differs = {rule.why for rule in (*CHARGED.values(), *SEEN.values()) if rule.verdict is Verdict.DIFFERS}
    assert set(SET_BACK) < differs
    assert differs - set(SET_BACK) == {
        "paid back, though it never expired",
        "paid back, though its charge was refused",
        "paid back otherwise than it was charged",
        "paid back, though it was never charged",
        "approved in Ordenes, refused in Pagos",
        "approved in Ordenes, paid back in Pagos",
        "refused in Ordenes, charged in Pagos",
        "refused in Ordenes, paid back in Pagos",
    }


@pytest.mark.parametrize(
    ("why", "of", "topics", "expected"),
    [
        (NOT_RECORDED.why, None, {"crear-orden": [command()]}, ("crear-orden", command())),
        # The first command that could have been accepted counts.
        (
            NOT_RECORDED.why,
            None,
            {"crear-orden": [command("b"), command(currency="usd"), command(), command(address="other")]},
            ("crear-orden", command()),
        ),
        (NOT_RECORDED.why, None, {"crear-orden": [b"\xff", command(total_cents=-1)]}, (None, b"")),
        # Its time is in seconds; the client corrected it. A currency may be one that Ordenes takes beside ISO 4217's.
        (
            NOT_RECORDED.why,
            None,
            {"crear-orden": [command(created_at_ms=1_764_000_000), command(currency="ABC")]},
            ("crear-orden", command(currency="ABC")),
        ),
        (
            PAYMENT,
            rows(orden()),
            {"crear-orden": [command(created_at_ms=1_764_000_000), command()]},
            ("crear-orden", command()),
        ),
        (PAYMENT, rows(orden()), {"orden-creada": [created()]}, ("orden-creada", created())),
        (PAYMENT, rows(orden()), {"orden-creada": [created(total_cents=1)]}, (None, b"")),
        (PAYMENT, rows(orden()), {"crear-orden": [command(client_id=8), command()]}, ("crear-orden", command())),
        (
            SETTLING,
            rows(orden(), pago()),
            {"transaccion-creada": [transaction("rechazada"), transaction(id="t-2"), transaction()]},
            ("transaccion-creada", transaction()),
        ),
        (
            SETTLING,
            rows(orden(), pago()),
            {
                "transaccion-creada": [transaction(amount_cents=1), transaction(currency="KWD")],
                "orden-creada": [created()],
            },
            ("orden-creada", created()),
        ),
        (
            REFUND,
            rows(orden("expirada", 2), pago()),
            {"reembolsar-transaccion": [refund(transaction_id="t-2"), refund(amount_cents=1250)]},
            ("reembolsar-transaccion", refund(amount_cents=1250)),
        ),
        (
            REFUNDED,
            rows(orden("expirada", 2), pago("reembolsada")),
            {"transaccion-creada": [transaction(), transaction("reembolsada")]},
            ("transaccion-creada", transaction("reembolsada")),
        ),
        # Pagos has charged the first one; the other has the same id.
        (
            NO_ORDER,
            rows(None, pago()),
            {"crear-orden": [command(total_cents=1), command()], "orden-creada": [created()]},
            ("crear-orden", command()),
        ),
        (NO_ORDER, rows(None, pago()), {"orden-creada": [created()]}, (None, b"")),
        (NOT_CHARGED, rows(orden("aprobada", 2)), {"orden-creada": [created()]}, ("orden-creada", created())),
        (
            KEPT,
            rows(orden("reembolsada", 3), pago()),
            {"reembolsar-transaccion": [refund()], "orden-creada": [created()]},
            ("reembolsar-transaccion", refund()),
        ),
        (
            REFUNDED,
            rows(orden("expirada", 2), pago("reembolsada")),
            {"transaccion-creada": [transaction()]},
            ("transaccion-creada", transaction()),
        ),
        (
            READ_MODEL.why,
            rows(orden("reembolsada", 3), pago("reembolsada")),
            {"orden-actualizada": [update("expirada", 2), update("reembolsada", 3)]},
            ("orden-actualizada", update("reembolsada", 3)),
        ),
        (
            READ_MODEL.why,
            rows(orden("reembolsada", 3), pago("reembolsada")),
            {"orden-actualizada": [update("expirada", 2)], "crear-orden": [command()]},
            ("crear-orden", command()),
        ),
    ],
)
def test_the_message_that_takes_an_order_further_is_found(
    why: str, of: Rows | None, topics: dict[str, list[bytes]], expected: tuple[str | None, bytes]
) -> None:
    assert recover(topics, why, of)[:2] == expected


@pytest.mark.parametrize(
    ("of", "events", "ended"),
    [
        (rows(orden()), [update("expirada", 2)], {"a": "expirada"}),
        (None, [update("expirada", 2), update("reembolsada", 3)], {"a": "reembolsada"}),
        (rows(None), [update("expirada", 2)], {"a": "expirada"}),
        (rows(orden()), [update("aprobada", 2)], {}),
        # Pagos has charged these, and doesn't do so again.
        (rows(orden(), pago()), [update("expirada", 2)], {}),
        (rows(None, pago("reembolsada")), [update("expirada", 2)], {}),
        (rows(orden("expirada", 2), pago()), [update("expirada", 2)], {}),
    ],
)
def test_an_order_that_had_expired_and_would_be_charged_is_left_out(
    of: Rows | None, events: list[bytes], ended: dict[str, str]
) -> None:
    lie = {"orden-actualizada": events, "orden-creada": [created()], "crear-orden": [command()]}
    broker: Any = FakePulsar({topic: [sent(n, "", p) for n, p in enumerate(each)] for topic, each in lie.items()})
    with Retained() as retained:
        retained.want([("a", PAYMENT, of)])
        assert retained.leave_ended(broker, broker, lambda _number: None) == ended
        retained.find(broker, broker, lambda _number: None)
        assert [order.id for order in retained.orders()] == ([] if ended else ["a"])


def test_topics_further_up_are_not_read_where_the_message_is_found() -> None:
    broker = recover({"orden-creada": [created()], "crear-orden": [command()]}, PAYMENT, rows(orden()))[2]
    assert [name.rsplit("/", 1)[-1] for name in broker.opened] == ["orden-creada-partition-0"]


def test_what_another_order_is_looked_for_in_hides_no_better_message() -> None:
    outcome = TransaccionProcesada(order_id="b", status="aprobada").SerializeToString()
    of_b = OrdenCreada(id="b", client_id=7, total_cents=1250, currency="USD").SerializeToString()
    topics = {"orden-creada": [created(), of_b], "transaccion-creada": [outcome]}
    broker: Any = FakePulsar({topic: [sent(n, "", p) for n, p in enumerate(lie)] for topic, lie in topics.items()})
    charged = Rows("b", ("b", *orden()[1:]), ("b", *pago()[1:]), None)
    with Retained() as retained:
        retained.want([("a", PAYMENT, rows(orden())), ("b", SETTLING, charged)])
        retained.find(broker, broker, lambda _number: None)
        found = [(order.id, order.topic, order.payload) for order in retained.orders()]
    assert found == [("a", "orden-creada", created()), ("b", "transaccion-creada", outcome)]


def test_each_of_many_orders_has_its_own() -> None:
    names = [f"n{number:05d}" for number in range(2_500)]
    broker: Any = FakePulsar({"crear-orden": [sent(n, name, command(name)) for n, name in enumerate(names)]})
    with Retained() as retained:
        retained.want((name, NOT_RECORDED.why, None) for name in [*names[::2], "nobody"])
        retained.find(broker, broker, lambda _number: None)
        found = list(retained.orders())
    assert [order.id for order in found] == [*names[::2], "nobody"]
    assert [order.payload for order in found] == [*(command(name) for name in names[::2]), b""]
    assert found[-1].topic is None


def _found(name: str, topic: str | None, key: str = "k") -> Recoverable:
    return Recoverable(name, PAYMENT, topic, name.encode(), key, {"mine": "ñ"})


def test_a_message_is_sent_again_as_it_was_to_where_it_lies() -> None:
    broker: Any = FakePulsar({topic: [] for topic in TOPICS})
    orders = [
        _found("a", "crear-orden"),
        _found("b", None),
        _found("c", "orden-creada", ""),
        _found("d", "crear-orden"),
    ]
    outcome = sending.send(broker, orders, threading.Event(), lambda _number: None)
    assert broker.published == {"crear-orden": [(b"a", "k"), (b"d", "k")], "orden-creada": [(b"c", None)]}
    assert broker.properties == [{"mine": "ñ"}] * 3
    assert (outcome.sent, outcome.failures, outcome.stopped) == ({"crear-orden": 2, "orden-creada": 1}, {}, False)


def test_a_topic_that_takes_nothing_hides_nothing_that_was_sent() -> None:
    broker: Any = FakePulsar({"orden-creada": []})
    orders = [_found("a", "orden-creada"), _found("b", "crear-orden"), _found("c", "orden-creada")]
    outcome = sending.send(broker, orders, threading.Event(), lambda _number: None)
    assert (outcome.sent, outcome.failures) == (
        {"orden-creada": 2},
        {"nothing can be sent to crear-orden (no such topic)": 1},
    )


def test_an_interruption_leaves_the_rest_as_it_was() -> None:
    broker: Any = FakePulsar({topic: [] for topic in TOPICS})
    stop = threading.Event()
    stop.set()
    outcome = sending.send(broker, [_found("a", "crear-orden")], stop, lambda _number: None)
    assert (broker.published, outcome.stopped) == ({}, True)


@pytest.mark.parametrize(("all_lost", "gone"), [(True, ["lost"]), (False, ["lost", "differs"])])
def test_an_order_that_differs_and_has_no_message_is_gone_only_where_it_is_named(
    all_lost: bool,
    gone: list[str],
) -> None:
    plan = Plan()
    plan.take(Recoverable("lost", NOT_RECORDED.why, None, b"", "", {}), all_lost=all_lost)
    plan.take(Recoverable("differs", next(iter(SET_BACK)), None, b"", "", {}), all_lost=all_lost)
    assert plan.gone == gone
    assert not plan.complete
    assert not Plan(ended={"a": "expirada"}).complete
