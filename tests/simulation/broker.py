"""Pulsar in memory: retained topics, Shared subscriptions, consumers and producers behind what ``pulsar.Client`` shows.

What it promises and what it doesn't is what Pulsar's client does (docs/decisions/0012 and the tests in
tests/e2e/publisher): unacknowledged messages come again when a consumer closes, crashes or loses its connection;
acknowledgements are grouped, and those not yet sent are lost with it; an entry over its topic's limit breaks the
producer's connection until the producer is closed, and no callback tells of it before.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any

import pulsar

from alpes_runtime._message import without_partition
from alpes_wire import EARLIEST, MessageId, WireError
from alpes_wire.message import Entry
from alpes_wire.reader import NOTHING
from tests.simulation.scheduler import Scheduler

NEVER_S = float("inf")
Key = str | bytes | None
"""A message's key; bytes if it isn't UTF-8."""
MAX_MESSAGE_BYTES = 5 * 1024 * 1024 - 10 * 1024


class Broken(Exception):
    """A consumer is broken, and its owner must give it up."""


class Message:
    """A message in a topic, as ``pulsar.Message`` shows it."""

    __slots__ = ("due_s", "id", "key", "own", "payload", "place", "published_ms", "topic")
    problem = ""
    """Each can be read."""

    def __init__(
        self,
        topic: str,
        place: MessageId,
        payload: bytes,
        key: Key,
        own: Mapping[str, str],
        published_s: float,
        due_s: float,
    ) -> None:
        self.topic = topic
        self.place = place
        self.id = str(place)
        self.payload = payload
        self.key: Any = key
        self.own = dict(own)
        self.published_ms = round(published_s * 1000)
        self.due_s = due_s

    @property
    def entries(self) -> Sequence[Entry]:
        return [Entry(self.place, None, self.payload)]

    def data(self) -> bytes:
        return self.payload

    def partition_key(self) -> str:
        return self.key.decode() if isinstance(self.key, bytes) else self.key or ""

    def properties(self) -> dict[str, str]:
        return dict(self.own)

    def message_id(self) -> MessageId:
        return self.place

    def publish_timestamp(self) -> int:
        return self.published_ms

    def deliver_at(self) -> int:
        due_ms = int(self.due_s * 1000)
        return due_ms if due_ms > self.published_ms else 0


class Broker:
    """All topics and subscriptions, and how reliable they are at the moment.

    Attributes
    ----------
    topics, keys
        Every message of each topic, and its keys.
    away
        Nobody can connect, and nothing is published or received.
    failing
        Share of flushes that go wrong, each in a drawn way.
    duplicating
        Share of messages that are delivered once more than they were published.
    reordering
        Whether messages come in any order.
    spreading
        How often a consumer that asks finds that what comes next was given to another one.
    losing_acks
        Share of acknowledgements that are kept back, and lost with the connection.
    limits
        The most bytes of an entry, by topic; of those that aren't there, what `MAX_MESSAGE_BYTES` says.
    """

    def __init__(self, scheduler: Scheduler, random: Random) -> None:
        self.scheduler = scheduler
        self.random = random
        self.topics: dict[str, list[Message]] = {}
        self.keys: defaultdict[str, set[Key]] = defaultdict(set)
        self.subscriptions: dict[str, Subscription] = {}
        self.away = False
        self.failing = 0.0
        self.duplicating = 0.0
        self.reordering = False
        self.spreading = 0.0
        self.losing_acks = 0.0
        self.limits: dict[str, int] = {}
        self.duplicates = 0
        self.on_acknowledged: Callable[[Message], None] = lambda _message: None

    def subscription(self, topic: str, name: str) -> "Subscription":
        """Return a topic's subscription; a new one begins with the first message."""
        found = self.subscriptions.get(topic)
        if found is None:
            found = self.subscriptions[topic] = Subscription(self, topic, name)
            for message in self.topics.get(topic, ()):
                found.add(message)
        return found

    def publish(
        self, topic: str, payload: bytes, key: Key = "", own: Mapping[str, str] | None = None, delay_s: float = 0.0
    ) -> Message:
        """Store a message."""
        now = self.scheduler.now
        stored = self.topics.setdefault(topic, [])
        message = Message(topic, MessageId(1, len(stored), 0), payload, key, own or {}, now, now + delay_s)
        stored.append(message)
        self.keys[topic].add(key)
        subscription = self.subscriptions.get(topic)
        if subscription is not None:
            subscription.add(message)
        return message

    def at_rest(self) -> bool:
        """Whether every message is acknowledged, also those that aren't due yet."""
        return not any(each.waiting or each.delayed or each.outstanding for each in self.subscriptions.values())

    def next_due(self) -> float | None:
        """Return when the next delayed message is due."""
        due_s = min((each.due_s for each in self.subscriptions.values()), default=NEVER_S)
        return due_s if due_s < NEVER_S else None


class Subscription:
    """A Shared subscription: each message goes to one of its consumers, until somebody acknowledges it."""

    def __init__(self, broker: Broker, topic: str, name: str) -> None:
        self.broker = broker
        self.topic = topic
        self.name = name
        self.waiting: list[Message] = []
        self.delayed: list[Message] = []
        self.due_s = NEVER_S
        self.outstanding: dict[str, Message] = {}
        self.acknowledged: set[str] = set()

    def add(self, message: Message) -> None:
        """Take a new message."""
        copies = 1
        if self.broker.random.random() < self.broker.duplicating:
            copies = 2
            self.broker.duplicates += 1
        if message.due_s > self.broker.scheduler.now:
            self.delayed.extend([message] * copies)
            self.due_s = min(self.due_s, message.due_s)
        else:
            self.waiting.extend([message] * copies)

    def ready(self) -> bool:
        """Whether there is a message for some consumer."""
        now = self.broker.scheduler.now
        if self.due_s <= now:
            self.waiting += [message for message in self.delayed if message.due_s <= now]
            self.delayed = [message for message in self.delayed if message.due_s > now]
            self.due_s = min((message.due_s for message in self.delayed), default=NEVER_S)
        return bool(self.waiting) and not self.broker.away

    def take(self) -> Message:
        """Hand a message out."""
        place = 0
        if self.broker.reordering:
            place = int(self.broker.random.random() * len(self.waiting))
        message = self.waiting.pop(place)
        self.outstanding[message.id] = message
        return message

    def acknowledge(self, message: Message) -> None:
        """Remove a message, wherever else it waits."""
        self.acknowledged.add(message.id)
        self.outstanding.pop(message.id, None)
        self.broker.on_acknowledged(message)

    def give_back(self, messages: list[Message]) -> None:
        """Deliver again the messages that were handed out and not acknowledged."""
        for message in messages:
            handed_out = self.outstanding.pop(message.id, None) is not None
            if handed_out and message.id not in self.acknowledged:
                self.waiting.append(message)

    def rewind(self) -> None:
        """Deliver everything again, from the start."""
        self.waiting = [message for message in self.broker.topics[self.topic] if message not in self.delayed]
        self.acknowledged.clear()
        self.outstanding.clear()


class Consumer:
    """One of a subscription's consumers."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self.broker = subscription.broker
        self.held: list[Message] = []
        self.unsent: list[Message] = []
        self.closed = False
        self.broken = False

    silence = None

    def ready(self, _seconds: float) -> bool:
        """Whether there may be a message."""
        if self.broken:
            raise Broken("the consumer is broken")
        return not self.closed and self.subscription.ready()

    def tend(self) -> None:
        """Do nothing: acknowledgements are sent with the next message."""

    def receive(self) -> Message | None:
        """Return a message; None if there is none."""
        if not self.ready(0) or self.broker.random.random() < self.broker.spreading:
            return None
        message = self.subscription.take()
        self.held.append(message)
        return message

    def acknowledge(self, message: Message) -> None:
        """Note an acknowledgement; it is sent now or later."""
        self.broker.scheduler.pause("acknowledge")
        if self.closed:
            return
        self.unsent.append(message)
        if self.broker.random.random() >= self.broker.losing_acks:
            self.send_acks()

    def send_acks(self) -> None:
        """Send the acknowledgements noted so far."""
        if not self.broker.away:
            for message in self.unsent:
                self.subscription.acknowledge(message)
                if message in self.held:
                    self.held.remove(message)
            self.unsent.clear()

    def breaks(self) -> None:
        """Break while holding all waiting messages; nobody else gets them before this consumer is closed."""
        self.broken = True
        while self.subscription.ready():
            self.held.append(self.subscription.take())

    def reconnect(self) -> None:
        """Lose the connection: unsent acknowledgements are lost, and unacknowledged messages come again."""
        self.unsent.clear()
        held, self.held = self.held, []
        self.subscription.give_back(held)

    def close(self) -> None:
        """Close in good order."""
        if not self.closed:
            self.send_acks()
            self.crash()

    def crash(self) -> None:
        """Vanish without closing."""
        self.closed = True
        self.reconnect()


class Reader:
    """Reads what lies in a topic; see `alpes_wire.Reader`."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self.subscription = "reader"
        self.connected = True
        self.seen = NOTHING
        self.left = deque(messages)

    def read(self, _seconds: float) -> Message | None:
        """Return the next message; None if there is none."""
        if not self.left:
            return None
        message = self.left.popleft()
        self.seen = message.place
        return message

    def rest(self) -> Iterator[Message]:
        """Yield whatever is left of the entry that was seen last."""
        while self.left and self.left[0].place[:2] == self.seen[:2]:
            yield self.left.popleft()

    def close(self) -> None:
        """Do nothing: there is no connection."""


class Producer:
    """A producer that batches until it is flushed."""

    def __init__(self, client: "Client", topic: str) -> None:
        self.client = client
        self.broker = client.broker
        self.topic = without_partition(topic)
        self.batch: list[tuple[bytes, Any, Mapping[str, str], str | None, float]] = []
        self.unconfirmed: list[Callable[[Any, Any], None]] = []
        self.closed = False
        # Beside public methods of `pulsar.Producer`, the runtime uses `flush_async` of the native producer.
        self._producer = self

    def is_connected(self) -> bool:
        """Whether it has a connection; an entry that is too large breaks the connection again and again."""
        return not (self.closed or self.unconfirmed or self.broker.away)

    def send_async(
        self,
        content: bytes,
        callback: Callable[[Any, Any], None] | None,
        properties: Mapping[str, str] | None = None,
        partition_key: str | None = None,
        deliver_after: timedelta | None = None,
    ) -> None:
        """Add a message to the batch."""
        if self.closed:
            raise pulsar.AlreadyClosed("the producer is closed")
        delay_s = deliver_after.total_seconds() if deliver_after else 0.0
        self.batch.append((content, callback, properties or {}, partition_key, delay_s))

    def flush(self) -> None:
        """Send the batch, and report success."""
        if self.closed:
            raise pulsar.AlreadyClosed("the producer is closed")
        self.flush_async(lambda _result: None)

    def flush_async(self, told: Callable[[Any], None]) -> None:
        """Send the batch as one entry, and each delayed message as its own entry."""
        scheduler = self.broker.scheduler
        scheduler.pause("flush")
        if self.closed or self.client.closed:
            told(pulsar.Result.AlreadyClosed)
            return
        batch, self.batch = self.batch, []
        entries = [[message] for message in batch if message[4]]
        if plain := [message for message in batch if not message[4]]:
            entries.append(plain)
        how = self._drawn(entries)
        result = {
            "stored": pulsar.Result.Ok,
            "unanswered": pulsar.Result.Timeout,
            "too big": pulsar.Result.MessageTooBig,
        }.get(how, pulsar.Result.ChecksumError)
        if how in ("stored", "unanswered", "broken"):
            for entry in entries:
                if _bytes_of(entry) > self.broker.limits.get(self.topic, MAX_MESSAGE_BYTES):
                    self.unconfirmed += [callback for _, callback, _, _, _ in batch if callback is not None]
                    return
                for content, _, own, key, delay_s in entry:
                    self.broker.publish(self.topic, content, key, own, delay_s)
        scheduler.pause("stored")
        for _, callback, _, _, _ in batch:
            if callback is not None:
                callback(result, None)
        told(pulsar.Result.ConnectError if how in ("unreachable", "broken") else pulsar.Result.Ok)

    def _drawn(self, entries: Sequence[Sequence[Any]]) -> str:
        random = self.broker.random
        if self.broker.away:
            return "unreachable"
        if random.random() < self.broker.failing:
            return random.choice(["refused", "unanswered", "unreachable", "broken"])
        return "too big" if any(_bytes_of(entry) > MAX_MESSAGE_BYTES for entry in entries) else "stored"

    def close(self) -> None:
        """Close it: unflushed messages are lost, and unconfirmed ones are reported as possibly lost."""
        self.closed = True
        self.batch.clear()
        unconfirmed, self.unconfirmed = self.unconfirmed, []
        for callback in unconfirmed:
            callback(pulsar.Result.AlreadyClosed, None)


def _bytes_of(entry: Sequence[tuple[bytes, Any, Mapping[str, str], str | None, float]]) -> int:
    return sum(
        len(content) + len((key or "").encode()) + sum(len(k.encode()) + len(v.encode()) for k, v in own.items())
        for content, _, own, key, _ in entry
    )


class Client:
    """The part of ``pulsar.Client`` that the runtime uses."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.consumers: list[Consumer] = []
        self.closed = False

    def get_topic_partitions(self, topic: str) -> list[str]:
        """Return the names of a topic's partitions: one."""
        self._reach()
        return [f"{topic}-partition-0"]

    def subscribe(self, topic: str, name: str, **_: Any) -> Consumer:
        """Open a consumer."""
        self._reach()
        self.broker.scheduler.pause("subscribe")
        consumer = Consumer(self.broker.subscription(without_partition(topic), name))
        self.consumers.append(consumer)
        return consumer

    def open_reader(self, partition: str, start: MessageId = EARLIEST) -> Reader:
        """Open a reader of an existing topic."""
        self._reach()
        topic = without_partition(partition)
        stored = self.broker.topics.get(topic)
        if stored is None or partition not in (topic, f"{topic}-partition-0"):
            raise WireError("no such topic")
        return Reader([each for each in stored if start == EARLIEST or each.place[:2] >= start[:2]])

    def create_producer(self, topic: str, **_: Any) -> Producer:
        """Open a producer."""
        self.broker.scheduler.pause("connect")
        self._reach()
        return Producer(self, topic)

    def crash(self) -> None:
        """Vanish, with everything that was opened."""
        self.closed = True
        for consumer in self.consumers:
            consumer.crash()

    def _reach(self) -> None:
        if self.broker.away or self.closed:
            raise pulsar.ConnectError("the broker can't be reached")
