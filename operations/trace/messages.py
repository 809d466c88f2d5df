"""Finds the messages about one order in the topics, without reading more of them than needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from connection.admin import Admin
from connection.client import Client
from connection.reading import key, partitions, properties, read, start_at
from operations.trace.hops import TIMER_TOPICS, Hop, message_hop
from schemas.tienda.topics import TIMER_KEY

CLOCK_TOLERANCE_MS = 5_000
"""Publish times are from the publishers' clocks: they needn't grow from one message to the next."""


class Span:
    """The times between which messages are read, in Unix milliseconds; None for the start and the end of a topic."""

    def __init__(self, since_ms: int | None, until_ms: int | None) -> None:
        self.since_ms = since_ms
        self.until_ms = until_ms

    @staticmethod
    def around(times_ms: Iterable[int], margin_s: float) -> Span:
        """Return the span from a margin before the first of these times to a margin after the last."""
        known = list(times_ms)
        margin = int(margin_s * 1000)
        return Span(max(1, min(known) - margin), max(known) + margin)


@dataclass
class Found:
    """What was found, how much was read for it, and whether that was all."""

    hops: list[Hop] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    messages: int = 0
    whole: bool = True


def find(
    client: Client,
    admin: Admin,
    topics: Iterable[str],
    span: Span,
    *,
    order_id: str,
    accepted_at_ms: int,
    goes_on: Callable[[int], bool],
) -> Found:
    """Read topics and return what is about one order.

    Parameters
    ----------
    client, admin
        Pulsar.
    topics
        Short names of topics that exist.
    span
        Which of their messages to read.
    order_id, accepted_at_ms
        The order; see `message_hop`.
    goes_on
        Called now and then with the number of messages that were read: whether to read on.
    """
    found = Found()
    needle = order_id.encode()
    for topic in topics:
        found.topics.append(topic)
        for partition in partitions(admin, topic):
            for message in read(client, admin, partition, start=start_at(admin, partition, span.since_ms)):
                published_ms = message.publish_timestamp()
                if span.until_ms is not None and published_ms > span.until_ms + CLOCK_TOLERANCE_MS:
                    break
                found.messages += 1
                if found.messages % 1000 == 0 and not goes_on(found.messages):
                    found.whole = False
                    return found
                payload, named = message.data(), key(message)
                timer = topic in TIMER_TOPICS and named.startswith(TIMER_KEY)
                if named != order_id and needle not in payload and not timer:
                    continue
                message_id = message.message_id()
                place = f"{message_id.ledger_id()}:{message_id.entry_id()}"
                if message_id.batch_index() >= 0:
                    place += f":{message_id.batch_index()}"
                hop = message_hop(topic, order_id, accepted_at_ms, payload, properties(message), published_ms, place)
                if hop is not None:
                    found.hops.append(hop)
    return found
