"""Sending orders, on a producer that fails when told."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pulsar

from alpes_wire.tracing import child_traceparent, valid_traceparent
from client.ledger import UNSENT, Ledger
from client.mix import Planned, plain
from client.orders import order_stream
from client.pacing import Constant
from client.sender import ATTEMPTS, Sender
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.unit.scripted_client import AT_CLOSE, ScriptedClient, ScriptedProducer


def client_that(verdict: Callable[[int], Any] = lambda _n: pulsar.Result.Ok) -> ScriptedClient:
    """Return a client whose producers send each message as an entry."""
    return ScriptedClient(verdict, batches=False)


def _send(broker: ScriptedClient, count: int, **options: Any) -> tuple[Sender, Ledger]:
    ledger = Ledger()
    sender = Sender(broker.create_producer, ledger, backoff_s=0.0)
    sender.send(plain(order_stream(1, count)), options.pop("stop", threading.Event()), lambda: None, **options)
    return sender, ledger


def test_every_order_is_sent_once_with_its_id_as_key_and_its_time() -> None:
    broker = client_that()
    before_ms = time.time_ns() // 1_000_000
    sender, ledger = _send(broker, 100)
    orders = [CrearOrden.FromString(content) for _, _, content in broker.stored]
    expected = [order.id for order in order_stream(1, 100)]
    assert [key for _, key, _ in broker.stored] == [order.id for order in orders] == expected
    assert all(before_ms <= order.created_at_ms <= time.time_ns() // 1_000_000 for order in orders)
    assert all(abs(order.created_at - order.created_at_ms / 1000) <= 128 for order in orders)
    assert (sender.confirmed, ledger.orders) == (100, 100)


def test_an_order_that_fails_is_sent_again_on_a_new_producer() -> None:
    broker = client_that(lambda n: pulsar.Result.Timeout if n == 3 else pulsar.Result.Ok)
    sender, ledger = _send(broker, 10)
    assert {key for _, key, _ in broker.stored} == {order.id for order in order_stream(1, 10)}
    assert [producer.closed for producer in broker.opened] == [True, False]
    assert sender.confirmed == 10
    assert ledger.close().outcomes[UNSENT] == 0


def test_a_send_that_raises_is_a_failure_like_any_other() -> None:
    broker = client_that(lambda n: pulsar.AlreadyClosed("gone") if n == 3 else pulsar.Result.Ok)
    sender, _ = _send(broker, 10)
    assert sender.confirmed == 10


def test_what_a_failed_producer_left_unanswered_is_sent_again() -> None:
    broker = client_that(lambda n: {1: None, 2: None, 3: pulsar.Result.Timeout}.get(n, pulsar.Result.Ok))
    sender, _ = _send(broker, 5)
    assert sender.confirmed == 5
    assert len({key for _, key, _ in broker.stored}) == 5


def test_an_order_carries_the_trace_that_the_functions_derive_for_it_as_a_property() -> None:
    broker = client_that()
    _send(broker, 3)
    assert len(broker.stored) == 3
    for (_, order_id, _), properties in zip(broker.stored, broker.properties, strict=True):
        assert properties is not None
        assert list(properties) == ["traceparent"]
        assert valid_traceparent(properties["traceparent"])
        of_an_event = child_traceparent("", order_id or "", f"orden-creada:{order_id}")
        assert properties["traceparent"].split("-")[1] == of_an_event.split("-")[1]


def test_what_a_producer_says_when_it_is_closed_costs_no_attempt() -> None:
    """The closed producer calls back for its unanswered messages, which were sent again on the next one by then."""
    broker = client_that(lambda n: {1: AT_CLOSE, 2: AT_CLOSE, 3: pulsar.Result.Timeout}.get(n, pulsar.Result.Ok))
    sender, ledger = _send(broker, 5)
    assert (sender.confirmed, len(broker.opened)) == (5, 2)
    assert ledger.close().outcomes[UNSENT] == 0


def test_orders_that_always_fail_are_reported_never_lost() -> None:
    broker = client_that(lambda n: pulsar.Result.Timeout)
    sender, ledger = _send(broker, 5)
    summary = ledger.close()
    assert (sender.confirmed, summary.outcomes[UNSENT]) == (0, 5)
    assert summary.send_errors == {"Timeout": 5}
    assert broker.entries <= 5 * ATTEMPTS


def test_no_new_producer_to_be_had_is_reported_too() -> None:
    broker = client_that(lambda n: pulsar.Result.Timeout)

    def open_once() -> ScriptedProducer:
        if broker.opened:
            raise pulsar.ConnectError("no broker")
        return broker.create_producer()

    ledger = Ledger()
    Sender(open_once, ledger, backoff_s=0.0).send(plain(order_stream(1, 3)), threading.Event(), lambda: None)
    assert ledger.close().outcomes[UNSENT] == 3


def test_a_stop_ends_the_sending_though_nothing_is_answered() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    # Stop only after all are sent: on a busy machine, making the first order takes longer than that.
    _, ledger = _send(client_that(lambda n: timer.start() if n == 10 else None), 10, stop=stop)
    timer.join()
    assert ledger.close().outcomes["unaccounted"] == 10


def test_a_rate_is_kept() -> None:
    started = time.monotonic()
    sender, _ = _send(client_that(), 51, pace=Constant(100))
    assert sender.confirmed == 51
    assert 0.49 <= time.monotonic() - started < 2


def test_a_run_that_goes_on_keeps_its_pace_from_its_place_and_says_what_is_confirmed() -> None:
    """Of 10,000 orders, 9,900 were sent before: the rest takes no longer than it would have."""
    confirmed: list[int] = []
    ledger = Ledger()
    sender = Sender(client_that().create_producer, ledger, backoff_s=0.0, on_confirmed=confirmed.append)
    messages = (Planned(9_900 + number, order) for number, order in enumerate(order_stream(1, 51)))
    started = time.monotonic()
    sender.send(messages, threading.Event(), lambda: None, Constant(100))
    assert 0.49 <= time.monotonic() - started < 2
    assert confirmed == list(range(9_900, 9_951))


def test_an_order_that_has_a_time_keeps_it() -> None:
    broker = client_that()
    order = CrearOrden(id="a", address="x", created_at_ms=1_700_000_000_123)
    Sender(broker.create_producer, Ledger()).send(plain([order]), threading.Event(), lambda: None)
    (sent,) = (CrearOrden.FromString(content) for _, _, content in broker.stored)
    assert sent.created_at_ms == 1_700_000_000_123
    assert abs(sent.created_at - 1_700_000_000) <= 128
