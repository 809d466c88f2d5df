"""Publishes events and returns only when the broker has confirmed every one of them.

``Producer.flush()`` confirms less than it seems to. It waits for the last entry only, and says OK although earlier
messages were lost: over the size limit, in a batch too big through its properties, refused by the broker, dropped from
a full queue, or expired. On a partitioned producer it returns the result of whichever partition finished last. So here:

- one plain producer per partition, with our own routing, and only one thread that flushes;
- one entry per flush: the producer itself never closes a batch, our own bound on payload, keys and properties does;
- a callback on the first message of each entry (a failed entry fails whole), and OK required from it and from flush;
- after any failure the producer is closed and a new one made: a failed batch never gives its permits back.

A callback per message would cost 30 to 45 µs a message; this costs 9 to 15 (docs/decisions/0012).
"""

import logging
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Protocol

import pulsar

from .clock import Clock, SystemClock
from .errors import PublishFailed
from .message import Event
from .turn import Turn

MAX_ENTRY_BYTES = 4_000_000
"""Most bytes of payload, keys and properties in one entry; the broker's limit is 5 MiB with all metadata."""
MAX_ENTRY_MESSAGES = 10_000
"""Most messages in one entry, far below what a producer may have pending."""
MESSAGE_OVERHEAD_BYTES = 64
"""Bound on what the client adds to each message of an entry."""
SEND_TIMEOUT_MS = 10_000
"""After this long an unconfirmed entry counts as failed, and is published again."""
CONFIRM_TIMEOUT_S = 15.0
"""How long a callback may come after flush has returned."""

Aside = Callable[[str, Callable[[], None]], None]
"""Takes a name and something that is done on the side; see `Surroundings.aside`."""


class Publisher(Protocol):
    """Publishes groups of events."""

    def publish(self, events: Sequence[Event]) -> None:
        """Publish all events and wait until each one is confirmed.

        Raises
        ------
        PublishFailed
            At least one may be missing; publish all of them again. Some may then be there twice.
        """
        ...

    def close(self) -> None:
        """Give the producers back."""
        ...


class _Confirmation:
    """Collects the broker's word on the entries of one flush. Its callback never raises: that would end the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._failed: str = ""
        self._done = threading.Event()
        self._done.set()

    def expect(self) -> Callable[[Any, Any], None]:
        with self._lock:
            self._open += 1
            self._done.clear()
        return self._called

    def _called(self, result: Any, _message_id: Any) -> None:
        with self._lock:
            self._open -= 1
            if result != pulsar.Result.Ok:
                self._failed = str(result)
            if self._open == 0:
                self._done.set()

    def failure(self, timeout_s: float, clock: Clock) -> str:
        """Return why an entry failed, empty when all are confirmed."""
        if not clock.wait(self._done, timeout_s):
            return f"no confirmation within {timeout_s:.0f} s of the flush"
        return self._failed


class _Partition:
    """The one producer of one partition; used by one thread."""

    def __init__(self, topic: str, connect: Callable[[str], Any], turn: Turn, clock: Clock, aside: Aside) -> None:
        self._topic = topic
        self._connect = connect
        self._turn = turn
        self._clock = clock
        self._aside = aside
        self._producer: Any = None

    def publish(self, entry: Sequence[Event]) -> None:
        try:
            if self._producer is None:
                with self._turn.away():
                    self._producer = self._connect(self._topic)
            send = self._producer.send_async
            confirmation = _Confirmation()
            callback: Callable[[Any, Any], None] | None = confirmation.expect()
            for position, (_topic, key, payload, properties, delay_ms) in enumerate(entry):
                if delay_ms:
                    # The client sends a delayed message at once, as an entry of its own.
                    callback = callback if position == 0 else confirmation.expect()
                    delay = timedelta(milliseconds=delay_ms)
                    send(payload, callback, dict(properties or {}), partition_key=key or None, deliver_after=delay)
                elif properties:
                    send(payload, callback, dict(properties), partition_key=key or None)
                else:
                    send(payload, callback, partition_key=key or None)
                callback = None
            with self._turn.away():
                self._producer.flush()
                failure = confirmation.failure(CONFIRM_TIMEOUT_S, self._clock)
        except Exception as error:
            self._discard()
            raise PublishFailed(f"{self._topic}: {type(error).__name__}: {error}") from error
        if failure:
            self._discard()
            raise PublishFailed(f"{self._topic}: {failure}")

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    def _discard(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            # Closing waits for the broker, which may be away: not on this thread.
            self._aside("close-producer", partial(_close_quietly, producer))


class PulsarPublisher:
    """The real publisher; used by one thread at a time.

    Parameters
    ----------
    client
        A ``pulsar.Client``.
    schemas
        Schema by topic, for topics that carry one. Events are encoded already: see `encoded`.
    properties
        Producer properties, shown by ``topics stats``.
    turn
        Held by the caller of `publish`, given up while it waits.
    logger
        Told about producers that had to be replaced.
    clock, aside
        See `Surroundings`.
    alive
        Called before each entry: a group of many, such as a large report, may rightly take long.
    """

    def __init__(
        self,
        client: Any,
        *,
        schemas: Mapping[str, Any],
        properties: Mapping[str, str],
        turn: Turn,
        logger: logging.Logger,
        clock: Clock | None = None,
        aside: Aside | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._schemas = schemas
        self._properties = dict(properties)
        self._turn = turn
        self._log = logger
        self._clock = clock or SystemClock()
        self._aside = aside or in_a_thread
        self._alive = alive
        self._partitions: dict[str, list[_Partition]] = {}
        self._in_use = threading.Lock()

    def publish(self, events: Sequence[Event]) -> None:
        """Publish all events and wait until each one is confirmed; see `Publisher.publish`."""
        # The flush of one caller would cut the entry of another in pieces that no callback watches.
        if not self._in_use.acquire(blocking=False):
            raise PublishFailed("another thread is publishing through this publisher, which serves one at a time")
        try:
            for partition, routed in self._route(events):
                for entry in entries(routed):
                    self._alive()
                    partition.publish(entry)
        finally:
            self._in_use.release()

    def close(self) -> None:
        """Close every producer; an error here loses nothing, since all it sent is confirmed."""
        for partitions in self._partitions.values():
            for partition in partitions:
                try:
                    partition.close()
                except Exception as error:  # noqa: BLE001 -- nothing is lost, whatever it is
                    self._log.info("Closing a producer: %s", error)

    def _route(self, events: Sequence[Event]) -> Iterator[tuple[_Partition, Sequence[Event]]]:
        by_topic: dict[str, list[Event]] = {}
        for event in events:
            by_topic.setdefault(event.topic, []).append(event)
        for topic, group in by_topic.items():
            partitions = self._partitions_of(topic)
            if len(partitions) == 1:
                yield partitions[0], group
                continue
            routed: list[list[Event]] = [[] for _ in partitions]
            for event in group:
                routed[zlib.crc32(event.key.encode()) % len(partitions)].append(event)
            for partition, part in zip(partitions, routed, strict=True):
                if part:
                    yield partition, part

    def _partitions_of(self, topic: str) -> list[_Partition]:
        known = self._partitions.get(topic)
        if known is None:
            try:
                with self._turn.away():
                    names = self._client.get_topic_partitions(topic)
            except Exception as error:
                raise PublishFailed(f"{topic}: {type(error).__name__}: {error}") from error
            connect = partial(self._connect, topic)
            known = [_Partition(name, connect, self._turn, self._clock, self._aside) for name in names]
            self._partitions[topic] = known
        return known

    def _connect(self, topic: str, partition: str) -> Any:
        more = {"schema": self._schemas[topic]} if topic in self._schemas else {}
        return self._client.create_producer(
            partition,
            send_timeout_millis=SEND_TIMEOUT_MS,
            batching_enabled=True,
            # The bounds below are out of reach: a batch ends at our flush and nowhere else.
            batching_max_publish_delay_ms=10 * SEND_TIMEOUT_MS,
            batching_max_messages=2 * MAX_ENTRY_MESSAGES,
            batching_max_allowed_size_in_bytes=5_200_000,
            max_pending_messages=4 * MAX_ENTRY_MESSAGES,
            block_if_queue_full=False,
            properties=self._properties,
            **more,
        )


def encoded(schema: Any) -> Any:
    """Return a copy of a Pulsar schema for payloads that are encoded already: registered alike, encodes nothing."""
    kind = type(schema)
    copy: Any = object.__new__(type(f"Encoded{kind.__name__}", (kind,), {"encode": lambda _self, payload: payload}))
    copy.__dict__.update(schema.__dict__)
    return copy


def entries(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Cut events into entries that the broker takes, by number and by bytes; delayed events apart from the others."""
    entry: list[Event] = []
    size = 0
    delayed: list[Event] = []
    for event in events:
        if event.delay_ms:
            delayed.append(event)
            continue
        cost = event_bytes(event)
        if entry and (size + cost > MAX_ENTRY_BYTES or len(entry) == MAX_ENTRY_MESSAGES):
            yield entry
            entry, size = [], 0
        entry.append(event)
        size += cost
    if entry:
        yield entry
    for start in range(0, len(delayed), MAX_ENTRY_MESSAGES):
        yield delayed[start : start + MAX_ENTRY_MESSAGES]


def event_bytes(event: Event) -> int:
    """Return a bound on the bytes that an event takes within an entry."""
    size = len(event.payload) + 4 * len(event.key) + MESSAGE_OVERHEAD_BYTES
    if event.properties:
        size += sum(4 * (len(key) + len(value)) + 8 for key, value in event.properties.items())
    return size


def in_a_thread(name: str, work: Callable[[], None]) -> None:
    """Do something in a thread of its own that nobody waits for."""
    threading.Thread(target=work, name=name, daemon=True).start()


def _close_quietly(producer: Any) -> None:
    try:
        producer.close()
    except Exception:  # noqa: BLE001 -- it was given up already
        return
