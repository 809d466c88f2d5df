"""Sends a run's orders, encoded before, as fast as the broker accepts them or in an open loop at a fixed rate."""

import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.child import Link
from bench.hops import NEVER, blank
from bench.workload import Workload
from connection.client import NEW_TOPIC_TIMEOUT_S, Client
from schemas.tienda.topics import full_name

SHORTEST_SLEEP_S = 0.001
PENDING = 10_000
SEND_TIMEOUT_MS = 60_000


@dataclass(frozen=True)
class Step:
    """A part of a run with one rate.

    Attributes
    ----------
    rate : float
        Commands a second.
    seconds : float
        How long.
    """

    rate: float
    seconds: float

    @property
    def count(self) -> int:
        """How many commands it sends."""
        return int(self.rate * self.seconds)


@dataclass(frozen=True)
class Sent:
    """When the client sent the commands.

    Attributes
    ----------
    intended
        When the schedule was to send each command, in Unix microseconds; without a rate, the same as `sent`.
    sent
        When the client library was called with each command, in Unix microseconds.
    latest_s
        By how many seconds the client was behind its schedule at worst; 0 without a rate.
    """

    intended: "array[int]"
    sent: "array[int]"
    latest_s: float


def send_orders(
    link: Link, service_url: str, workload: Workload, rate: float | Sequence[Step] | None, linger_ms: int
) -> Sent:
    """Send a run's orders from a child process; see `Child`.

    Parameters
    ----------
    rate
        Commands a second, also if the system falls behind; steps, whose commands together are the run's; None for as
        many as the broker accepts.
    linger_ms
        How long the client waits for more orders before it sends a batch; 0 sends each order as an entry of its own.
    """
    commands = workload.commands(time.time_ns() // 1_000_000)
    client = Client(service_url, operation_timeout_s=NEW_TOPIC_TIMEOUT_S)
    producer = client.create_producer(
        full_name("crear-orden"),
        send_timeout_millis=SEND_TIMEOUT_MS,
        batching_enabled=linger_ms > 0,
        batching_max_publish_delay_ms=max(1, linger_ms),
        max_pending_messages=PENDING,
        block_if_queue_full=True,
    )

    sent = array("q")

    def send(number: int) -> None:
        key, payload = commands[number]
        sent.append(time.time_ns() // 1_000)
        # No callback: one for each order would cost more than all else. The tables show whether an order was lost.
        producer.send_async(payload, None, partition_key=key)

    link.ready()
    link.wait()
    if rate is None:
        for number in range(len(commands)):
            send(number)
        intended, latest_s = sent, 0.0
    elif isinstance(rate, int | float):
        intended, latest_s = paced(len(commands), rate, send)
    else:
        intended, latest_s = stepped(rate, send)
    producer.flush()
    client.close()
    return Sent(intended, sent, latest_s)


def paced(
    count: int,
    rate: float,
    send: Callable[[int], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple["array[int]", float]:
    """Send in an open loop: number n is due n/rate seconds after the first, even if earlier ones are late.

    Returns
    -------
    array, float
        When each was due, in Unix microseconds, and by how many seconds the loop was behind at worst.
    """
    started_at, started = time.time_ns() // 1_000, clock()
    sent, latest_s = 0, 0.0
    while sent < count:
        now = clock() - started
        due = min(count, int(now * rate) + 1)
        while sent < due:
            latest_s = max(latest_s, now - sent / rate)
            send(sent)
            sent += 1
        if sent < count:
            sleep(max(SHORTEST_SLEEP_S, started + sent / rate - clock()))
    return array("q", (started_at + int(n * 1e6 / rate) for n in range(count))), latest_s


def stepped(steps: Sequence[Step], send: Callable[[int], None]) -> tuple["array[int]", float]:
    """Send one step after the other; see `paced`."""
    intended, latest_s = array("q"), 0.0
    for step in steps:
        due, late_s = paced(step.count, step.rate, partial(_send_later, send, len(intended)))
        intended.extend(due)
        latest_s = max(latest_s, late_s)
    return intended, latest_s


def _send_later(send: Callable[[int], None], earlier: int, number: int) -> None:
    send(earlier + number)


def first(numbers: Sequence[int], times: Sequence[int], orders: int) -> "array[int]":
    """Return the time of the first command about each order, by the order's number; `NEVER` without one. Pure."""
    found = blank(orders)
    for number, at in zip(numbers, times, strict=True):
        if found[number] == NEVER:
            found[number] = at
    return found
