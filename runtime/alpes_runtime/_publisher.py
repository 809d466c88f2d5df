"""Publishes events and returns only when the broker has confirmed every one of them.

``Producer.flush()`` confirms less than it seems to. It waits for the last entry only, and returns OK although earlier
messages were lost: over the size limit, in a batch that its properties made too large, refused by the broker, dropped
from a full queue, or expired. On a partitioned producer it returns the result of the partition that finished last.
Therefore the publisher uses:

- one plain producer per partition, with our own routing, and only one thread that flushes;
- one entry per flush: our own bound on payload, keys and properties closes a batch, the producer never does;
- a callback on the first message of each entry (a failed entry fails whole), and OK required from it and from flush;
- a new producer after any failure: a failed batch never returns its permits.

``Producer.flush()`` doesn't return at all if an entry is over a topic's own size limit. The broker then breaks the
connection without calling back, and the client reconnects and sends the entry again, for ever. So the flush is
asynchronous, the connection is watched while an entry is unconfirmed, and an entry that breaks it twice is cut into
smaller ones, down to single events (docs/decisions/0023).

A callback per message would cost 30 to 45 µs a message; this costs 9 to 15 (docs/decisions/0012).
"""

import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from functools import partial
from itertools import chain
from typing import Any, Protocol

import pulsar

from alpes_wire.names import TRACEPARENT

from ._context import InstanceContext
from ._message import Event
from .clock import Clock
from .errors import PublishFailed, Refused

MAX_ENTRY_BYTES = 4_000_000
"""Most bytes of payload, keys and properties in one entry; the broker's limit is 5 MiB with all metadata."""
MAX_ENTRY_MESSAGES = 10_000
"""Most messages in one entry, far below what a producer may have pending."""
MESSAGE_OVERHEAD_BYTES = 64
"""Upper bound of the bytes that the client adds to each message of an entry."""
TRACE_BYTES = 80
"""Upper bound of the bytes of an event's trace context as a property."""
SEND_TIMEOUT_MS = 10_000
"""After this long an unconfirmed entry counts as failed, and is published again."""
CONFIRM_TIMEOUT_S = 25.0
"""How long the broker may take to confirm an entry."""
LOOK_S = 0.05
"""Time between two checks of the connection while an entry is unconfirmed."""
CLOSE_TIMEOUT_S = 1.0
"""Longest wait for the close of a producer whose entry broke the connection: until then it breaks it again."""
BOUND_KEPT_S = 30.0
"""How long a size limit that was found is assumed to hold: finding it takes a second, and it may have been raised."""


class Publisher(Protocol):
    """Publishes groups of events."""

    def publish(self, events: Sequence[Event]) -> None:
        """Publish all events and wait until each one is confirmed.

        Raises
        ------
        PublishFailed
            At least one may be missing; publish all of them again. Some may then be published twice.
        Refused
            The broker refuses the events that it names for their size, even each alone; all others are confirmed.
        """
        ...

    def close(self) -> None:
        """Close the producers."""
        ...


class _Fault(Enum):
    """How an entry failed whose size may be the reason."""

    TOO_LARGE = "the client or the broker says that it is too large"
    DROPPED = "the broker broke the connection on it"


class _Confirmation:
    """Collects the confirmations of one flush's entries. Its callback never raises: that would end the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._failed: Any = None
        self.done = threading.Event()
        self.done.set()

    def expect(self) -> Callable[..., None]:
        with self._lock:
            self._open += 1
            self.done.clear()
        return self._called

    def _called(self, result: Any, _message_id: Any = None) -> None:
        with self._lock:
            self._open -= 1
            if result != pulsar.Result.Ok:
                self._failed = result
            if self._open == 0:
                self.done.set()

    def failure(self) -> _Fault | str | None:
        """Return why an entry failed, None if all are confirmed."""
        if self._failed == pulsar.Result.MessageTooBig:
            return _Fault.TOO_LARGE
        return None if self._failed is None else str(self._failed)


class _Bound:
    """The largest entry that a partition accepts, as far as is known; forgotten after `BOUND_KEPT_S`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0
        self._bytes = MAX_ENTRY_BYTES
        self._refused: int | None = None
        self._suspected: int | None = None
        self.known = False

    def look(self) -> int:
        """Return the most bytes of an entry."""
        if self.known and self._clock.monotonic() >= self._until:
            self.known, self._bytes, self._refused = False, MAX_ENTRY_BYTES, None
        return min(self._bytes, MAX_ENTRY_BYTES)

    def refuses(self, entry: Sequence[Event]) -> bool:
        """Whether the entry is a single event that is known to be refused; then it isn't sent."""
        return self._refused is not None and len(entry) == 1 and event_bytes(entry[0]) >= self._refused

    def learn(self, entry: Sequence[Event]) -> None:
        """Remember that this entry was refused for its size."""
        size = _bytes_of(entry)
        self.known, self._until = True, self._clock.monotonic() + BOUND_KEPT_S
        self._bytes = min(self._bytes, size // 2)
        if len(entry) == 1:
            self._refused = min(self._refused or size, size)

    def suspect(self, event: Event) -> None:
        """Remember that this event failed alone: its size was the reason if a smaller entry goes through."""
        self._suspected = event_bytes(event)

    def confirmed(self, entry: Sequence[Event]) -> None:
        """Check whether an entry that went through confirms the suspicion; see `suspect`."""
        if self._suspected is not None:
            if _bytes_of(entry) < self._suspected:
                self.known, self._until = True, self._clock.monotonic() + BOUND_KEPT_S
                self._refused = min(self._refused or self._suspected, self._suspected)
                self._bytes = min(self._bytes, self._suspected)
            self._suspected = None


class _Partition:
    """The one producer of one partition; used by one thread."""

    def __init__(
        self,
        topic: str,
        connect: Callable[[str], Any],
        context: InstanceContext,
    ) -> None:
        self._topic = topic
        self._connect = connect
        self._context = context
        self._lock = context.lock
        self._clock = context.clock
        self._traced = context.config.trace_property
        self._bound = _Bound(context.clock)
        self._producer: Any = None

    def publish(self, events: Sequence[Event]) -> Sequence[Event]:
        """Publish events in as many entries as needed; return those that are refused for their size even alone."""
        refused: list[Event] = []
        waiting = deque(entries(events, self._bound.look()))
        while waiting:
            entry = waiting.popleft()
            if self._bound.refuses(entry):
                refused.extend(entry)
                continue
            fault = self._tried(entry)
            if fault is _Fault.DROPPED and (len(entry) == 1 or not self._bound.known):
                # Try once more: any connection breaks now and then.
                fault = self._tried(entry)
            if fault is None:
                continue
            if fault is _Fault.DROPPED and not self._bound.known:
                # If the smallest event alone goes through, the size of the entry was the reason.
                smallest = min(entry, key=event_bytes)
                if len(entry) == 1 or self._tried([smallest]) is not None:
                    self._bound.suspect(smallest)
                    refused.extend(entry)
                    continue
                entry = [event for event in entry if event is not smallest]
            self._bound.learn(entry)
            if len(entry) == 1:
                refused.extend(entry)
                continue
            waiting = deque(entries([*entry, *chain.from_iterable(waiting)], self._bound.look()))
        return refused

    def _tried(self, entry: Sequence[Event]) -> _Fault | None:
        self._context.heartbeat()
        confirmation = _Confirmation()
        try:
            if self._producer is None:
                with self._lock.released():
                    self._producer = self._connect(self._topic)
            self._send(entry, confirmation)
            with self._lock.released():
                failure = self._awaited(confirmation)
        except Exception as error:
            self._discard()
            raise PublishFailed(f"{self._topic}: {type(error).__name__}: {error}") from error
        if failure is None:
            self._bound.confirmed(entry)
            return None
        closed = self._discard()
        if not isinstance(failure, _Fault):
            raise PublishFailed(f"{self._topic}: {failure}")
        # Until the producer is closed, the client sends the entry again, and the broker breaks the connection again.
        with self._lock.released():
            self._clock.wait(closed, CLOSE_TIMEOUT_S)
        return failure

    def _send(self, entry: Sequence[Event], confirmation: _Confirmation) -> None:
        send = self._producer.send_async
        callback: Callable[..., None] | None = confirmation.expect()
        for position, (_topic, key, payload, properties, delay_ms, traceparent) in enumerate(entry):
            if traceparent and self._traced:
                properties = {**(properties or {}), TRACEPARENT: traceparent}  # noqa: PLW2901 -- without a copy of each event
            if delay_ms:
                # The client sends a delayed message immediately, as an entry of its own.
                callback = callback if position == 0 else confirmation.expect()
                delay = timedelta(milliseconds=delay_ms)
                send(payload, callback, dict(properties or {}), partition_key=key or None, deliver_after=delay)
            elif properties:
                send(payload, callback, dict(properties), partition_key=key or None)
            else:
                send(payload, callback, partition_key=key or None)
            callback = None
        # `Producer.flush()` would never return if the broker breaks the connection because of this entry.
        self._producer._producer.flush_async(confirmation.expect())  # noqa: SLF001

    def _awaited(self, confirmation: _Confirmation) -> _Fault | str | None:
        waited_s = 0.0
        while not self._clock.wait(confirmation.done, LOOK_S):
            if not self._producer.is_connected():
                return _Fault.DROPPED
            waited_s += LOOK_S
            if waited_s >= CONFIRM_TIMEOUT_S:
                return f"no confirmation within {CONFIRM_TIMEOUT_S:.0f} s of the flush"
        return confirmation.failure()

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close()

    def _discard(self) -> threading.Event:
        """Drop the producer; return an event that is set once it is closed."""
        closed = threading.Event()
        producer, self._producer = self._producer, None
        if producer is None:
            closed.set()
        else:
            # Closing waits for the broker, which may be away, so another thread does it.
            self._context.platform.in_background("close-producer", partial(_close_quietly, producer, closed))
        return closed


class PulsarPublisher:
    """The real publisher; used by one thread at a time.

    Parameters
    ----------
    context
        The instance. The caller of `publish` holds its lock, and `publish` releases it while it waits for the broker.
    schemas
        Schema by topic, for topics that have one. Events are already encoded: see `encoded`.
    """

    def __init__(self, context: InstanceContext, schemas: Mapping[str, Any]) -> None:
        self._context = context
        self._schemas = schemas
        self._properties = context.client_properties
        self._client = context.host.client
        self._partitions: dict[str, list[_Partition]] = {}
        self._in_use = threading.Lock()

    def publish(self, events: Sequence[Event]) -> None:
        """Publish all events and wait until each one is confirmed; see `Publisher.publish`."""
        # The flush of one caller would split the entry of another into parts without a callback.
        if not self._in_use.acquire(blocking=False):
            raise PublishFailed("another thread is publishing through this publisher, which serves one at a time")
        try:
            refused: list[Event] = []
            for partition, routed in self._route(events):
                refused.extend(partition.publish(routed))
        finally:
            self._in_use.release()
        if refused:
            raise Refused(refused)

    def close(self) -> None:
        """Close every producer; an error here loses nothing, since every event is confirmed already."""
        for partitions in self._partitions.values():
            for partition in partitions:
                try:
                    partition.close()
                except Exception as error:  # noqa: BLE001 -- no error at a close loses anything
                    self._context.logger.info("Closing a producer: %s", error)

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
                with self._context.lock.released():
                    names = self._client.get_topic_partitions(topic)
            except Exception as error:
                raise PublishFailed(f"{topic}: {type(error).__name__}: {error}") from error
            known = [_Partition(name, partial(self._connect, topic), self._context) for name in names]
            self._partitions[topic] = known
        return known

    def _connect(self, topic: str, partition: str) -> Any:
        more = {"schema": self._schemas[topic]} if topic in self._schemas else {}
        return self._client.create_producer(
            partition,
            send_timeout_millis=SEND_TIMEOUT_MS,
            batching_enabled=True,
            # No batch reaches the bounds below: only our flush ends a batch.
            batching_max_publish_delay_ms=10 * SEND_TIMEOUT_MS,
            batching_max_messages=2 * MAX_ENTRY_MESSAGES,
            batching_max_allowed_size_in_bytes=5_200_000,
            max_pending_messages=4 * MAX_ENTRY_MESSAGES,
            block_if_queue_full=False,
            properties=self._properties,
            **more,
        )


def encoded(schema: Any) -> Any:
    """Return a copy of a Pulsar schema for encoded payloads: it registers the same schema and encodes nothing."""
    kind = type(schema)
    copy: Any = object.__new__(type(f"Encoded{kind.__name__}", (kind,), {"encode": lambda _self, payload: payload}))
    copy.__dict__.update(schema.__dict__)
    return copy


def entries(events: Sequence[Event], most_bytes: int) -> Iterator[Sequence[Event]]:
    """Cut events into entries of at most ``most_bytes``, with a larger event alone and delayed events apart."""
    delayed = [event for event in events if event.delay_ms]
    yield from _cut([event for event in events if not event.delay_ms] if delayed else events, most_bytes)
    yield from _cut(delayed, most_bytes)


def _cut(events: Sequence[Event], most_bytes: int) -> Iterator[Sequence[Event]]:
    entry: list[Event] = []
    size = 0
    for event in events:
        cost = event_bytes(event)
        if entry and (size + cost > most_bytes or len(entry) == MAX_ENTRY_MESSAGES):
            yield entry
            entry, size = [], 0
        entry.append(event)
        size += cost
    if entry:
        yield entry


def event_bytes(event: Event) -> int:
    """Return an upper bound of the bytes that an event takes in an entry."""
    size = len(event.payload) + 4 * len(event.key) + MESSAGE_OVERHEAD_BYTES
    if event.traceparent:
        size += TRACE_BYTES
    if event.properties:
        size += sum(4 * (len(key) + len(value)) + 8 for key, value in event.properties.items())
    return size


def _bytes_of(entry: Sequence[Event]) -> int:
    return sum(map(event_bytes, entry))


def _close_quietly(producer: Any, closed: threading.Event) -> None:
    try:
        producer.close()
    except Exception:  # noqa: BLE001 -- the producer was dropped already
        return
    finally:
        closed.set()
