"""Sends retained messages again, each to the topic in which it lies: the same bytes, key and properties."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field

from connection.client import Client
from connection.publishing import Publishers
from operations.recover.retained import Recoverable


@dataclass
class SendResult:
    """What became of the messages.

    Attributes
    ----------
    sent : Counter of str
        Messages that Pulsar has confirmed, by topic.
    failures : Counter of str
        Messages that it hasn't confirmed, by reason.
    stopped : bool
        Whether it was interrupted; the other messages were not sent.
    """

    sent: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    stopped: bool = False


def send(
    client: Client, orders: Iterable[Recoverable], stop: threading.Event, tick: Callable[[int], None]
) -> SendResult:
    """Send the messages of those orders that have one, and wait until each is confirmed or refused.

    Parameters
    ----------
    client
        A connected client.
    orders
        The orders, each with the message that was found for it.
    stop
        When this is set, finish what was begun and return.
    tick
        Called with the number of messages sent.
    """
    outcome = SendResult()

    def confirmed(order: Recoverable) -> None:
        outcome.sent[str(order.topic)] += 1

    def refused(_order: Recoverable, reason: str) -> None:
        outcome.failures[reason] += 1

    with closing(Publishers(client, confirmed, refused)) as publishers:
        for order in orders:
            if stop.is_set():
                outcome.stopped = True
                break
            if order.topic is None:
                continue
            publishers.publish(order.topic, order, order.payload, order.key, order.properties)
            tick(outcome.sent.total())
        publishers.finish()
        tick(outcome.sent.total())
    return outcome
