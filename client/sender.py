"""Sends orders as fast as Pulsar takes them, or at a given rate, and tracks which of them Pulsar confirms."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import pulsar

from client.ledger import Ledger
from client.tracing import traced
from connection.client import Client
from schemas.tienda.topics import CREAR_ORDEN
from schemas.tienda.v1.ordenes_pb2 import CrearOrden

# The most orders that wait for confirmation. We limit them ourselves, so that the library's queue never blocks us.
WINDOW = 8_000
SEND_TIMEOUT_S = 30
# When no confirmation has come for this long, sending has failed. The library's own timeout comes first.
CONFIRMATION_TIMEOUT_S = SEND_TIMEOUT_S + 10
ATTEMPTS = 4
BACKOFF_S = 0.5
TICK_S = 0.1
POLL_S = 0.001
# A shorter sleep costs more than sending too early.
SHORTEST_SLEEP_S = 0.002


class Producer(Protocol):
    """What the sender needs of a Pulsar producer."""

    def send_async(
        self, content: bytes, callback: Callable[[Any, Any], None], properties: dict[str, str], *, partition_key: str
    ) -> None:
        """Send, and call back with the result."""

    def close(self) -> None:
        """Close, and give up what is not confirmed."""


def open_producer(client: Client, topic: str) -> pulsar.Producer:
    """Open a producer that sends in batches and never blocks.

    Parameters
    ----------
    client
        A connected Pulsar client.
    topic
        The topic's full name.
    """
    return client.create_producer(
        topic,
        send_timeout_millis=SEND_TIMEOUT_S * 1000,
        batching_enabled=True,
        batching_max_publish_delay_ms=5,
        max_pending_messages=2 * WINDOW,
        max_pending_messages_across_partitions=4 * WINDOW,
    )


@dataclass(slots=True)
class _Pending:
    order_id: str
    payload: bytes
    properties: dict[str, str]
    attempt: int


class _Answer(NamedTuple):
    number: int
    generation: int
    result: Any


class Sender:
    """Sends each order until Pulsar confirms it, or gives up and says so in the ledger.

    An order that is sent again may arrive twice; the same id with the same content is the same order.

    Parameters
    ----------
    open_producer
        Opens a producer: the first one, and a new one after each failure, because a producer that failed can't be
        trusted with the rest.
    ledger
        Records each order before it is sent, and those that could not be sent.
    backoff_s
        Pause before the second attempt; doubled for each further one.
    """

    def __init__(
        self,
        open_producer: Callable[[], Producer],
        ledger: Ledger,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self._open_producer = open_producer
        self._ledger = ledger
        self._backoff_s = backoff_s
        self._pending: dict[int, _Pending] = {}
        # The library's thread appends to it; a deque needs no lock for that.
        self._answers: deque[_Answer] = deque()
        self._producer: Producer | None = None
        self._generation = 0
        self._failures = 0
        self._last_answer = time.monotonic()
        self.confirmed = 0

    def send(
        self,
        orders: Iterable[CrearOrden],
        stop: threading.Event,
        tick: Callable[[], None],
        rate: float | None = None,
    ) -> None:
        """Send orders and wait until each is confirmed or given up.

        Parameters
        ----------
        orders
            What to send; each gets the time at which it is sent.
        stop
            Return at once when this is set; what is not confirmed by then stays unaccounted.
        tick
            Called about ten times a second.
        rate
            Orders per second; None for as fast as possible.
        """
        self._producer = self._open_producer()
        # The rate counts from the first order, which takes longer to make than any other.
        started = next_tick = 0.0
        for number, order in enumerate(orders):
            now = time.monotonic()
            if number == 0:
                started = now
            if now >= next_tick:
                tick()
                next_tick = now + TICK_S
            if rate is not None:
                self._await_turn(started + number / rate, stop, tick)
            self._settle()
            self._await_room(WINDOW, stop, tick)
            if stop.is_set():
                break
            self._send_first_time(number, order)
        self._await_room(1, stop, tick)
        tick()

    def close(self) -> None:
        """Close the producer."""
        if self._producer is not None:
            self._close_producer()

    def _await_turn(self, due: float, stop: threading.Event, tick: Callable[[], None]) -> None:
        while (ahead := due - time.monotonic()) > SHORTEST_SLEEP_S and not stop.is_set():
            stop.wait(min(ahead, TICK_S))
            self._settle()
            if ahead > TICK_S:
                tick()

    def _await_room(self, limit: int, stop: threading.Event, tick: Callable[[], None]) -> None:
        next_tick = time.monotonic() + TICK_S
        while len(self._pending) >= limit and not stop.is_set():
            time.sleep(POLL_S)
            self._settle()
            now = time.monotonic()
            if now >= next_tick:
                tick()
                next_tick = now + TICK_S

    def _send_first_time(self, number: int, order: CrearOrden) -> None:
        now_ns = time.time_ns()
        order.created_at = now_ns / 1e9
        order.created_at_ms = now_ns // 1_000_000
        if not self._pending:
            self._last_answer = time.monotonic()
        self._ledger.sent(order.id, now_ns)
        properties = traced(order.traceparent, order.id, CREAR_ORDEN)
        self._post(number, _Pending(order.id, order.SerializeToString(), properties, 1))

    def _post(self, number: int, pending: _Pending) -> None:
        answers, generation = self._answers, self._generation
        self._pending[number] = pending

        def answered(result: Any, _message_id: Any) -> None:
            answers.append(_Answer(number, generation, result))

        try:
            if self._producer is None:
                raise pulsar.ConnectError("no connection")
            self._producer.send_async(pending.payload, answered, pending.properties, partition_key=pending.order_id)
        except Exception as error:  # noqa: BLE001 - whatever it was, this order is not sent
            answers.append(_Answer(number, generation, error))

    def _settle(self) -> None:
        failure: Any = None
        while self._answers:
            number, generation, result = self._answers.popleft()
            self._last_answer = time.monotonic()
            if result == pulsar.Result.Ok:
                # A late confirmation of an attempt that was given up counts too.
                self.confirmed += self._pending.pop(number, None) is not None
                self._failures = 0
            elif number in self._pending and generation == self._generation:
                # An answer of an earlier generation only says that we closed its producer; the order was sent again.
                failure = failure or result
        if self._pending and time.monotonic() - self._last_answer > CONFIRMATION_TIMEOUT_S:
            failure = "no confirmation"
        if failure is not None:
            self._start_over(failure)

    def _start_over(self, failure: Any) -> None:
        """Replace the producer and send again what it left unconfirmed."""
        self._close_producer()
        time.sleep(min(self._backoff_s * 2**self._failures, 8.0))
        self._failures += 1
        self._generation += 1
        self._last_answer = time.monotonic()
        try:
            self._producer = self._open_producer()
        except pulsar.PulsarException:
            # Without a producer, each order's attempt fails at once, and counts.
            self._producer = None
        for number, pending in sorted(self._pending.items()):
            if pending.attempt >= ATTEMPTS:
                del self._pending[number]
                self._ledger.unsent(pending.order_id, _reason(failure))
            else:
                pending.attempt += 1
                self._post(number, pending)

    def _close_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(pulsar.PulsarException):  # it is gone already
                producer.close()


def _reason(failure: Any) -> str:
    return str(getattr(failure, "name", None) or failure)
