"""Sends orders as fast as Pulsar takes them, or at a given pace, and tracks which of them Pulsar confirms."""

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
from client.mix import Planned
from client.pacing import Pace
from client.tracing import traced
from connection.client import Client
from schemas.tienda.topics import CREAR_ORDEN

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
    kind: str
    number: int
    payload: bytes
    properties: dict[str, str]
    attempt: int


class _Answer(NamedTuple):
    position: int
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
    on_confirmed
        Called with the number of each message that Pulsar has confirmed.
    """

    def __init__(
        self,
        open_producer: Callable[[], Producer],
        ledger: Ledger,
        backoff_s: float = BACKOFF_S,
        on_confirmed: Callable[[int], None] = lambda _number: None,
    ) -> None:
        self._on_confirmed = on_confirmed
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
        messages: Iterable[Planned],
        stop: threading.Event,
        tick: Callable[[], None],
        pace: Pace | None = None,
    ) -> None:
        """Send orders and wait until each is confirmed or given up.

        Parameters
        ----------
        messages
            What to send; an order without a time gets the time at which it is sent.
        stop
            Return at once when this is set; what is not confirmed by then stays unaccounted.
        tick
            Called about ten times a second.
        pace
            When each is due; None for as fast as possible. If the first message isn't the run's first, the pace goes on
            from its place.
        """
        self._producer = self._open_producer()
        # The pace counts from the first order, which takes longer to make than any other.
        started = next_tick = 0.0
        first = 0
        for position, message in enumerate(messages):
            now = time.monotonic()
            if position == 0:
                started, first = now, message.number
            if now >= next_tick:
                tick()
                next_tick = now + TICK_S
            if pace is not None:
                ahead_s = pace.due_s(first + position) - pace.due_s(first)
                self._await_turn(started + ahead_s, stop, tick)
            self._settle()
            self._await_room(WINDOW, stop, tick)
            if stop.is_set():
                break
            self._send_first_time(position, message)
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

    def _send_first_time(self, position: int, message: Planned) -> None:
        number, order, kind = message
        now_ns = time.time_ns()
        order.created_at_ms = order.created_at_ms or now_ns // 1_000_000
        order.created_at = order.created_at_ms / 1e3
        if not self._pending:
            self._last_answer = time.monotonic()
        self._ledger.sent(order.id, now_ns, created_at_ms=order.created_at_ms, kind=kind, number=number)
        properties = traced(order.traceparent, order.id, CREAR_ORDEN)
        self._post(position, _Pending(order.id, kind, number, order.SerializeToString(), properties, 1))

    def _post(self, position: int, pending: _Pending) -> None:
        answers, generation = self._answers, self._generation
        self._pending[position] = pending

        def answered(result: Any, _message_id: Any) -> None:
            answers.append(_Answer(position, generation, result))

        try:
            if self._producer is None:
                raise pulsar.ConnectError("no connection")
            self._producer.send_async(pending.payload, answered, pending.properties, partition_key=pending.order_id)
        except Exception as error:  # noqa: BLE001 - whatever it was, this order is not sent
            answers.append(_Answer(position, generation, error))

    def _settle(self) -> None:
        failure: Any = None
        while self._answers:
            position, generation, result = self._answers.popleft()
            self._last_answer = time.monotonic()
            if result == pulsar.Result.Ok:
                # A late confirmation of an attempt that was given up counts too.
                if (pending := self._pending.pop(position, None)) is not None:
                    self.confirmed += 1
                    self._on_confirmed(pending.number)
                self._failures = 0
            elif position in self._pending and generation == self._generation:
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
        for position, pending in sorted(self._pending.items(), key=lambda each: each[0]):
            if pending.attempt >= ATTEMPTS:
                del self._pending[position]
                self._ledger.unsent(pending.order_id, _reason(failure), pending.kind)
            else:
                pending.attempt += 1
                self._post(position, pending)

    def _close_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(pulsar.PulsarException):  # it is gone already
                producer.close()


def _reason(failure: Any) -> str:
    return str(getattr(failure, "name", None) or failure)
