"""Sending orders, on a producer that fails when told."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pulsar

from client.ledger import UNSENT, Ledger
from client.orders import order_stream
from client.sender import ATTEMPTS, Sender
from schemas.tienda.v1.ordenes_pb2 import CrearOrden

Answer = Callable[[Any, Any], None]


class FakePulsar:
    """Opens producers; `verdict` says what becomes of the n-th message sent, None meaning no answer at all."""

    def __init__(self, verdict: Callable[[int], Any] = lambda n: pulsar.Result.Ok) -> None:
        self.verdict = verdict
        self.stored: list[tuple[str, bytes]] = []
        self.sent = 0
        self.opened = 0
        self.closed = 0

    def open(self) -> "FakePulsar":
        self.opened += 1
        return self

    def send_async(self, content: bytes, callback: Answer, *, partition_key: str) -> None:
        self.sent += 1
        result = self.verdict(self.sent)
        if isinstance(result, Exception):
            raise result
        if result == pulsar.Result.Ok:
            self.stored.append((partition_key, content))
        if result is not None:
            callback(result, None)

    def close(self) -> None:
        self.closed += 1


def _send(broker: FakePulsar, count: int, **options: Any) -> tuple[Sender, Ledger]:
    ledger = Ledger()
    sender = Sender(broker.open, ledger, backoff_seconds=0.0)
    sender.send(order_stream(1, count), options.pop("stop", threading.Event()), lambda: None, **options)
    return sender, ledger


def test_every_order_is_sent_once_with_its_id_as_key_and_its_time() -> None:
    broker = FakePulsar()
    before_ms = time.time_ns() // 1_000_000
    sender, ledger = _send(broker, 100)
    orders = [CrearOrden.FromString(content) for _, content in broker.stored]
    assert [key for key, _ in broker.stored] == [order.id for order in orders] == [o.id for o in order_stream(1, 100)]
    assert all(before_ms <= order.created_at_ms <= time.time_ns() // 1_000_000 for order in orders)
    assert all(abs(order.created_at - order.created_at_ms / 1000) <= 128 for order in orders)
    assert (sender.confirmed, ledger.orders) == (100, 100)


def test_an_order_that_fails_is_sent_again_on_a_new_producer() -> None:
    broker = FakePulsar(lambda n: pulsar.Result.Timeout if n == 3 else pulsar.Result.Ok)
    sender, ledger = _send(broker, 10)
    assert {key for key, _ in broker.stored} == {order.id for order in order_stream(1, 10)}
    assert (broker.opened, broker.closed, sender.confirmed) == (2, 1, 10)
    assert ledger.close().outcomes[UNSENT] == 0


def test_a_send_that_raises_is_a_failure_like_any_other() -> None:
    broker = FakePulsar(lambda n: pulsar.AlreadyClosed("gone") if n == 3 else pulsar.Result.Ok)
    sender, _ = _send(broker, 10)
    assert sender.confirmed == 10


def test_what_a_failed_producer_left_unanswered_is_sent_again() -> None:
    broker = FakePulsar(lambda n: {1: None, 2: None, 3: pulsar.Result.Timeout}.get(n, pulsar.Result.Ok))
    sender, _ = _send(broker, 5)
    assert sender.confirmed == 5
    assert len({key for key, _ in broker.stored}) == 5


def test_what_a_producer_says_when_it_is_closed_costs_no_attempt() -> None:
    """It calls back for all that it left unanswered, after these were sent again on the next one."""

    class Closing(FakePulsar):
        def __init__(self) -> None:
            super().__init__(lambda n: {1: None, 2: None, 3: pulsar.Result.Timeout}.get(n, pulsar.Result.Ok))
            self.unanswered: list[Answer] = []

        def send_async(self, content: bytes, callback: Answer, *, partition_key: str) -> None:
            if self.opened == 1:
                self.unanswered.append(callback)
            super().send_async(content, callback, partition_key=partition_key)

        def close(self) -> None:
            super().close()
            for callback in self.unanswered:
                callback(pulsar.Result.AlreadyClosed, None)

    broker = Closing()
    sender, ledger = _send(broker, 5)
    assert (sender.confirmed, broker.opened) == (5, 2)
    assert ledger.close().outcomes[UNSENT] == 0


def test_orders_that_always_fail_are_reported_never_lost() -> None:
    broker = FakePulsar(lambda n: pulsar.Result.Timeout)
    sender, ledger = _send(broker, 5)
    summary = ledger.close()
    assert (sender.confirmed, summary.outcomes[UNSENT]) == (0, 5)
    assert summary.send_errors == {"Timeout": 5}
    assert broker.sent <= 5 * ATTEMPTS


def test_no_new_producer_to_be_had_is_reported_too() -> None:
    broker = FakePulsar(lambda n: pulsar.Result.Timeout)

    def open_once() -> FakePulsar:
        if broker.opened:
            raise pulsar.ConnectError("no broker")
        return broker.open()

    ledger = Ledger()
    Sender(open_once, ledger, backoff_seconds=0.0).send(order_stream(1, 3), threading.Event(), lambda: None)
    assert ledger.close().outcomes[UNSENT] == 3


def test_a_stop_ends_the_sending_though_nothing_is_answered() -> None:
    stop = threading.Event()
    timer = threading.Timer(0.2, stop.set)
    # Once all are sent: making the first one takes longer than that on a busy machine.
    _, ledger = _send(FakePulsar(lambda n: timer.start() if n == 10 else None), 10, stop=stop)
    timer.join()
    assert ledger.close().outcomes["unaccounted"] == 10


def test_a_rate_is_kept() -> None:
    started = time.monotonic()
    sender, _ = _send(FakePulsar(), 51, rate=100.0)
    assert sender.confirmed == 51
    assert 0.49 <= time.monotonic() - started < 2
