"""Orders that nobody pays in time, on the real system: they expire, and a payment that comes too late is paid back."""

from collections import Counter
from collections.abc import Iterator

import pytest

from alpes_wire.names import ERROR_TYPE
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, VencerOrdenes
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion
from tests.e2e.tienda import LAST, Tienda, configured, keys, new_prefix, orders, stopped, wait_until

LOAD = 1_500


@pytest.fixture
def impatient(stack: Tienda) -> Iterator[Tienda]:
    """The system, with orders that expire after 3 s."""
    with configured(stack, "ordenes", expires_after_seconds=3, expiry_window_seconds=1):
        yield stack


def counts(stack: Tienda, database: str, start: str) -> Counter[str]:
    return Counter(stack.statuses(database, start).values())


def timers(stack: Tienda) -> int:
    return sum(key.startswith("vencer:") for key in keys(stack.read("ordenes-reintento")))


def test_orders_expire_without_a_payment_and_are_paid_back_when_it_comes_too_late(impatient: Tienda) -> None:
    stack, start = impatient, new_prefix("v")
    timers_before = timers(stack)
    with stopped(stack, "pagos"):
        stack.publish("crear-orden", orders(start, LOAD))
        wait_until(lambda: counts(stack, "reporting", start) == {"expirada": LOAD}, 90, "all orders have expired")
    wait_until(lambda: len(stack.statuses("pagos", start)) == LOAD, 90, "all orders have been charged, or refused")
    charged = counts(stack, "pagos", start)
    expected = {"expirada": charged["rechazada"], "reembolsada": charged["aprobada"]}
    wait_until(lambda: counts(stack, "reporting", start) == expected, 90, "those charged have been paid back")
    assert counts(stack, "ordenes", start) == expected
    paid_back = stack.rows(
        "pagos",
        "SELECT count(*), count(*) FILTER (WHERE r.amount_cents = t.amount_cents AND r.transaction_id = t.id) FROM"
        " reembolsos r JOIN transacciones t USING (order_id) WHERE order_id >= %s AND order_id < %s",
        start,
        start + LAST,
    )
    assert paid_back == [(charged["aprobada"], charged["aprobada"])]
    told = [
        (event.id, event.status, event.version)
        for event in (
            OrdenActualizada.FromString(m.data())
            for m in stack.read("orden-actualizada")
            if m.partition_key().startswith(start)
        )
    ]
    assert Counter((status, version) for _, status, version in set(told)) == {
        ("expirada", 2): LOAD,
        ("reembolsada", 3): charged["aprobada"],
    }
    # There is one timer for each window, further page and early delivery, and not one for each order.
    assert timers(stack) - timers_before < LOAD / 10
    some = next(order_id for order_id, status in stack.statuses("ordenes", start).items() if status == "reembolsada")
    wait_until(lambda: stack.state("ordenes", some) == "reembolsada", 60, "the state store shows it")


def test_timers_and_refunds_that_nobody_asked_for_change_nothing(stack: Tienda) -> None:
    start = new_prefix("v")
    order_id = start + "a"
    order = CrearOrden(id=order_id, client_id=1, address="Calle 1", total_cents=100)
    stack.publish("crear-orden", [(order_id, order.SerializeToString())])
    wait_until(lambda: stack.ended(start), 30, "the order has ended")
    before = [stack.rows(name, f"SELECT * FROM {table}") for name, table in TABLES]
    # Expire every order there ever was at once, and ask for refunds of an uncharged order and of a wrong amount.
    for_ever = VencerOrdenes(accepted_from_ms=1, accepted_until_ms=1_893_456_000_000)
    stack.publish("ordenes-reintento", [("", for_ever.SerializeToString())])
    wrong = [
        (key, ReembolsarTransaccion(order_id=key, amount_cents=99).SerializeToString())
        for key in (order_id, start + "b")
    ]
    stack.publish("reembolsar-transaccion", wrong)
    letters = {order_id: "conflict", start + "b": "early"}

    def dead() -> dict[str, str]:
        found = {m.partition_key(): m.properties()[ERROR_TYPE] for m in stack.read("reembolsar-transaccion-DLQ")}
        return {key: kind for key, kind in found.items() if key in letters}

    wait_until(lambda: dead() == letters, 60, "both refunds are dead-lettered, each with its reason")
    assert [stack.rows(name, f"SELECT * FROM {table}") for name, table in TABLES] == before


TABLES = (("ordenes", "ordenes ORDER BY id"), ("pagos", "reembolsos ORDER BY order_id"))
