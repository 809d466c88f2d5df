"""A Pulsar client whose producers do with each entry what the test says."""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import pulsar

Answer = Callable[[Any, Any], None]
AT_CLOSE = "at close"
"""A verdict: the producer calls back only once it is closed."""


class Stored(NamedTuple):
    """A message that the broker has."""

    topic: str
    key: str | None
    payload: bytes


class ScriptedProducer:
    """Stores a batch when it is flushed; the client's verdict says what becomes of it."""

    def __init__(self, client: "ScriptedClient", topic: str) -> None:
        self.client = client
        self.topic = topic
        self.pending: list[tuple[Stored, Answer | None, bool]] = []
        self.unanswered: list[Answer] = []
        self.closed = False
        self._producer = self

    def is_connected(self) -> bool:
        return not self.unanswered

    def send_async(
        self,
        content: bytes,
        callback: Answer | None,
        properties: dict[str, str] | None = None,
        partition_key: str | None = None,
        deliver_after: Any = None,
    ) -> None:
        if self.client.full and len(self.pending) >= self.client.full:
            raise pulsar.ProducerQueueIsFull("full")
        self.client.properties.append(properties)
        self.pending.append((Stored(self.topic, partition_key, content), callback, deliver_after is not None))
        if not self.client.batches:
            self.flush_async(lambda _result: None)

    def flush_async(self, told: Callable[[Any], None]) -> None:
        if self.client.flush_error is not None:
            raise self.client.flush_error
        batches = [[message] for message in self.pending if message[2]]
        if plain := [message for message in self.pending if not message[2]]:
            batches.append(plain)
        self.pending.clear()
        for batch in batches:
            answers = [answer for _, answer, _ in batch if answer is not None]
            result = self.client.result([message for message, _, _ in batch])
            if result == AT_CLOSE:
                self.unanswered += answers
            elif result is not None:
                for answer in answers:
                    self.client.callbacks += 1
                    answer(result, None)
        told(pulsar.Result.Ok)

    def close(self) -> None:
        self.closed = True
        for answer in self.unanswered:
            answer(pulsar.Result.AlreadyClosed, None)


class ScriptedClient:
    """Opens the producers.

    Attributes
    ----------
    verdict
        Says what becomes of the n-th entry: the result to call back with, None for no answer at all, `AT_CLOSE`, or an
        exception to raise.
    batches
        Whether a producer makes one entry of what it is given before a flush; if not, each message is an entry.
    takes, breaks
        The most bytes that the broker takes in an entry, and how many entries break the connection whatever their size.
        The real client sends such an entry again and again.
    full
        How many messages a producer holds before its queue is full; 0 for any number.
    properties
        Those of each message that a producer was given.
    """

    def __init__(
        self, verdict: Callable[[int], Any] = lambda _n: pulsar.Result.Ok, *, partitions: int = 1, batches: bool = True
    ) -> None:
        self.verdict = verdict
        self.partitions = partitions
        self.batches = batches
        self.flush_error: Exception | None = None
        self.full = self.breaks = self.entries = self.callbacks = 0
        self.takes = sys.maxsize
        self.sizes: list[int] = []
        self.stored: list[Stored] = []
        self.properties: list[dict[str, str] | None] = []
        self.opened: list[ScriptedProducer] = []
        self.options: list[dict[str, Any]] = []
        self.away: Exception | None = None

    def get_topic_partitions(self, topic: str) -> list[str]:
        if self.away is not None:
            raise self.away
        return [f"{topic}-partition-{n}" for n in range(self.partitions)]

    def create_producer(self, topic: str = "t", **options: Any) -> ScriptedProducer:
        self.options.append(options)
        self.opened.append(ScriptedProducer(self, topic))
        return self.opened[-1]

    def result(self, batch: list[Stored]) -> Any:
        """Return the verdict on an entry, and store what is taken."""
        self.entries += 1
        self.sizes.append(sum(len(message.payload) for message in batch))
        if self.sizes[-1] > self.takes or self.breaks:
            self.breaks = max(0, self.breaks - 1)
            return AT_CLOSE
        result = self.verdict(self.entries)
        if isinstance(result, Exception):
            raise result
        if result == pulsar.Result.Ok:
            self.stored += batch
        return result
