"""Load, kills, rewinds and scaling on the real system: nothing is lost and nothing is paid twice."""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada
from tests.e2e.tienda import FUNCTIONS, LAST, Tienda, configured, flowing, new_prefix, note, orders, wait_until
from tests.stack import deploy

LOAD = 20_000
STATES = 2_000
KILL_LOAD = 10_000
SCALE_LOT = 300


BEGAN_MS: dict[str, int] = {}
"""A minute before the orders of a prefix began to be sent, in Unix milliseconds."""


def prefix() -> str:
    start = new_prefix("g")
    BEGAN_MS[start] = time.time_ns() // 1_000_000 - 60_000
    return start


def check_agreement(stack: Tienda, start: str, number: int, lots: Sequence[str] = ("",)) -> None:
    """Every order has one outcome, the same in each table and topic, and one transaction of the right amount.

    With lots, this many orders were sent for each of these continuations of the prefix.
    """
    accepted = {f"{start}{lot}{n:06d}": 100 + n for lot in lots for n in range(number)}
    query = "SELECT id, status, total_cents FROM ordenes WHERE id >= %s AND id < %s"
    ordenes = {row[0]: row[1:] for row in stack.rows("ordenes", query, start, start + LAST)}
    reporting = {row[0]: row[1:] for row in stack.rows("reporting", query, start, start + LAST)}
    query = "SELECT order_id, status, amount_cents FROM transacciones WHERE order_id >= %s AND order_id < %s"
    paid = stack.rows("pagos", query, start, start + LAST)
    pagos = {row[0]: row[1:] for row in paid}
    assert ordenes.keys() == accepted.keys(), "an order was lost or invented"
    assert len(paid) == len(accepted), "an order was paid twice, or not at all"
    assert ordenes == pagos == reporting
    assert {order_id: row[1] for order_id, row in ordenes.items()} == accepted
    outcomes = {row[0] for row in ordenes.values()}
    assert outcomes <= {"aprobada", "rechazada"}
    assert len(outcomes) == 2 or number < 100, "of many orders, some must be refused"
    settled = {order_id: {row} for order_id, row in ordenes.items()}
    assert told(stack, "orden-actualizada", OrdenActualizada, start) == settled
    assert told(stack, "transaccion-creada", TransaccionProcesada, start) == settled
    created = {order_id: {("creada", cents)} for order_id, cents in accepted.items()}
    assert told(stack, "orden-creada", OrdenCreada, start) == created


def told(stack: Tienda, topic: str, kind: Any, start: str) -> dict[str, set[tuple[str, int]]]:
    """Return, for each order, every status and amount in cents that the topic has."""
    said: dict[str, set[tuple[str, int]]] = {}
    for message in stack.read(topic, BEGAN_MS[start]):
        if message.partition_key().startswith(start):
            event = kind.FromString(message.data())
            cents = event.amount_cents if kind is TransaccionProcesada else event.total_cents
            said.setdefault(message.partition_key(), set()).add((event.status, cents))
    return said


@pytest.fixture(params=["direct", "runtime"])
def intake(request: pytest.FixtureRequest, stack: Tienda) -> Iterator[str]:
    """Each intake in turn, switched as an operator would, and back to the first at the end."""
    with ExitStack() as switched:
        for function in FUNCTIONS if request.param != "direct" else ():
            switched.enter_context(configured(stack, function, intake=request.param))
        yield request.param


def test_orders_whose_bytes_are_a_text_are_orders(stack: Tienda, intake: str) -> None:
    """Pulsar's own SerDe turns a message into a text if it is UTF-8; most Protobuf messages aren't."""
    start = prefix()
    texts = [CrearOrden(id=f"{start}{n:06d}", client_id=1, address="Calle 1", total_cents=100 + n) for n in range(20)]
    assert all(order.SerializeToString().isascii() for order in texts)
    stack.publish("crear-orden", ((order.id, order.SerializeToString()) for order in texts))
    stack.wait_ended(start, len(texts), 60)
    check_agreement(stack, start, len(texts))


def test_twenty_thousand_orders_agree_everywhere(stack: Tienda, intake: str) -> None:
    start = prefix()
    started = time.monotonic()
    stack.publish("crear-orden", orders(start, LOAD))
    stack.wait_ended(start, LOAD, 240)
    seconds = time.monotonic() - started
    caught_up = wait_until(stack.state_is_current, 120, "the state has caught up")
    note(f"intake {intake}: {LOAD / seconds:.0f} orders/s end to end; state current {caught_up:.1f} s later")
    check_agreement(stack, start, LOAD)
    # One question to the admin API for each order: some of them, since all take minutes. The faults' checker reads all.
    asked = dict(random.sample(sorted(stack.statuses("ordenes", start).items()), STATES))
    assert stack.states("ordenes", asked) == asked
    wait_until(lambda: stack.shown_totals(totals := stack.totals()) == totals, 60, "the running totals show the table")


@contextmanager
def under_load(stack: Tienda, start: str) -> Iterator[None]:
    """Send orders from another thread while the ``with`` block runs."""
    sender = threading.Thread(target=stack.publish, args=("crear-orden", orders(start, KILL_LOAD)))
    sender.start()
    try:
        wait_until(lambda: stack.ended(start), 60, "orders flow", every=0.01)
        yield
    finally:
        sender.join()


@pytest.mark.core
@pytest.mark.parametrize("function", FUNCTIONS)
def test_orders_survive_a_killed_instance(stack: Tienda, function: str) -> None:
    start = prefix()
    (process,) = stack.processes(function)
    with under_load(stack, start):
        killed = time.monotonic()
        os.kill(process.pid, signal.SIGKILL)
        at_kill = stack.ended(start)
    assert at_kill < KILL_LOAD, "the load was over before the kill"
    wait_until(lambda: stack.processes(function), 60, "a new instance is there")
    stack.wait_ended(start, KILL_LOAD, 120)
    seconds = time.monotonic() - killed
    note(f"kill -9 of {function} at {at_kill} of {KILL_LOAD} orders: all ended {seconds:.1f} s later")
    check_agreement(stack, start, KILL_LOAD)


def test_an_instance_that_is_asked_to_end_drains_and_nothing_is_lost(stack: Tienda) -> None:
    start = prefix()
    (process,) = stack.processes("ordenes")
    with under_load(stack, start):
        asked = time.monotonic()
        process.terminate()
        at_ask = stack.ended(start)
    assert at_ask < KILL_LOAD, "the load was over before it was asked"
    wait_until(lambda: not process.is_running(), 10, "it has ended by itself", every=0.05)
    note(f"SIGTERM: ended after {time.monotonic() - asked:.1f} s")
    stack.wait_ended(start, KILL_LOAD, 120)
    check_agreement(stack, start, KILL_LOAD)


def test_scaling_up_and_down_during_load_loses_nothing(stack: Tienda) -> None:
    """Orders are sent without a pause, before, during and after each switch."""
    start = prefix()

    def ended_within_scaling(to: int) -> int:
        before = stack.ended(start)
        deploy("scale", "ordenes", str(to), environment=stack.environment)
        return stack.ended(start) - before

    with flowing(stack, start, SCALE_LOT) as sent:
        wait_until(lambda: stack.ended(start), 60, "orders flow")
        up = ended_within_scaling(2)
        assert stack.running("ordenes") == 2
        down = ended_within_scaling(1)
    assert min(up, down) > SCALE_LOT, "orders flowed during each switch"
    stack.wait_ended(start, SCALE_LOT * len(sent), 120)
    check_agreement(stack, start, SCALE_LOT, [lot.removeprefix(start) for lot in sent])
    wait_until(lambda: stack.running("ordenes") == 1, 60, "one instance runs")
    note(f"scale 1→2→1 under load: {up} and {down} orders ended during the switches, of {SCALE_LOT * len(sent)}")


def test_postgresql_connections_cut_during_load_lose_nothing(stack: Tienda) -> None:
    start = prefix()
    cut = 0
    with under_load(stack, start):
        for _ in range(5):
            for database in FUNCTIONS:
                others = "FROM pg_stat_activity WHERE usename = user AND pid <> pg_backend_pid()"
                ended = stack.rows(database, f"SELECT pg_terminate_backend(pid) {others}")
                cut += sum(row[0] for row in ended) * (stack.ended(start) < KILL_LOAD)
            time.sleep(0.3)
    assert cut, "no connection was cut while orders flowed"
    stack.wait_ended(start, KILL_LOAD, 120)
    check_agreement(stack, start, KILL_LOAD)


def test_subscriptions_reset_to_the_start_change_no_row(stack: Tienda) -> None:
    tables = {"ordenes": "ordenes", "pagos": "transacciones", "reporting": "ordenes"}

    def everything() -> set[tuple[object, ...]]:
        return {
            (name, *row)
            for name, table in tables.items()
            for row in stack.rows(name, f"SELECT each::text FROM {table} AS each")
        }

    stack.wait_idle()
    before = everything()
    for function in FUNCTIONS:
        # The reports that earlier tests asked for would be made again: at the lowest priority, over all these orders.
        stack.rewind(function, without=["generar-reporte"])
    wait_until(lambda: stack.backlog() > 0, 30, "the topics are read again", every=0.05)
    took = stack.wait_idle(300)
    # Only the first rows that differ: to compare all in an assertion would take longer than the test.
    differing = sorted(before ^ everything(), key=str)
    assert not differing[:10], f"{len(differing)} rows differ"
    note(f"{len(before)} rows read again in {took:.1f} s, not one changed")
