"""The simulated Pulsar does what Pulsar does: the same tests pass on both."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any, Protocol

import pulsar
import pytest

from alpes_runtime._message import without_partition
from alpes_wire import EARLIEST, Consumer, Endpoint, MessageId, Reader, WireError
from tests.e2e.publisher.broker import Namespace, client_of
from tests.simulation.broker import Broker, Client
from tests.simulation.scheduler import Scheduler

SUBSCRIPTION = "pruebas"
SOON_MS = 3_000
"""Longer than a stored message needs to arrive."""
NEVER_MS = 700
"""How long a test waits for a message that must not come."""
DELAY_S = 2.5


class System(Protocol):
    """A broker, with what the contract needs beside its client."""

    def client(self) -> Any:
        """Open a client."""

    def topic(self) -> str:
        """Create a topic of one partition."""

    def consumer(self, client: Any, partition: str) -> Any:
        """Open a consumer as the runtime does."""

    def reader(self, client: Any, partition: str, start: MessageId) -> Any:
        """Open a reader as the commands do."""

    def limit(self, topic: str, most_bytes: int) -> None:
        """Let the topic take no larger entries, as an operator does."""

    def rewind(self, topic: str) -> None:
        """Reset the subscription to the start of the topic, as an operator does."""

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""

    def crash(self, client: Any) -> None:
        """End a client without a word; the broker only notices that the connection is gone."""


class Real:
    """The broker of the stack."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._clients: list[Any] = []
        self._consumers: dict[Any, list[Consumer]] = {}
        self._crashed: set[Any] = set()

    def client(self) -> Any:
        self._clients.append(client_of(self._namespace.service_url))
        return self._clients[-1]

    def topic(self) -> str:
        return self._namespace.topic("contract")

    def consumer(self, client: Any, partition: str) -> Any:
        if client in self._crashed:
            raise WireError("this client is gone")
        consumer = Consumer(Endpoint(self._namespace.service_url), partition, SUBSCRIPTION)
        consumer.open()
        self._consumers.setdefault(client, []).append(consumer)
        return consumer

    def reader(self, _client: Any, partition: str, start: MessageId) -> Any:
        return Reader(Endpoint(self._namespace.service_url), partition, start)

    def limit(self, topic: str, most_bytes: int) -> None:
        self._namespace.limit_entries(topic, most_bytes)

    def rewind(self, topic: str) -> None:
        self._namespace.rewind(topic, SUBSCRIPTION)

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def crash(self, client: Any) -> None:
        client.shutdown()
        self._crashed.add(client)
        for consumer in self._consumers.get(client, []):
            if consumer._link is not None:
                consumer.tend()
                consumer._link.close()
                consumer._link = None

    def close(self) -> None:
        for consumer in itertools.chain(*self._consumers.values()):
            consumer.close()
        for client in self._clients:
            with contextlib.suppress(Exception):
                client.close()


class Simulated:
    """The broker of the simulation, without faults."""

    def __init__(self) -> None:
        self._scheduler = Scheduler(Random(1))
        self._broker = Broker(self._scheduler, Random(1))
        self._topics = 0

    def client(self) -> Any:
        return Client(self._broker)

    def topic(self) -> str:
        self._topics += 1
        return f"persistent://alpes/pruebas/contract-{self._topics}"

    def consumer(self, client: Any, partition: str) -> Any:
        return client.subscribe(partition, SUBSCRIPTION)

    def reader(self, client: Any, partition: str, start: MessageId) -> Any:
        return client.open_reader(partition, start)

    def limit(self, topic: str, most_bytes: int) -> None:
        self._broker.limits[topic] = most_bytes

    def rewind(self, topic: str) -> None:
        self._broker.subscription(without_partition(topic), SUBSCRIPTION).rewind()

    def pass_time(self, seconds: float) -> None:
        self._scheduler.now += seconds

    def crash(self, client: Any) -> None:
        client.crash()

    def close(self) -> None:
        pass


@pytest.fixture(params=["simulated", "real"])
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    found = Simulated() if request.param == "simulated" else Real(request.getfixturevalue("namespace"))
    yield found
    found.close()


@pytest.fixture
def client(system: System) -> Any:
    return system.client()


def producer_of(client: Any, topic: str) -> Any:
    """Open a producer as the runtime does: an entry ends at a flush and nowhere else."""
    (partition,) = client.get_topic_partitions(topic)
    return client.create_producer(
        partition,
        batching_enabled=True,
        batching_max_publish_delay_ms=100_000,
        batching_max_messages=100_000,
        batching_max_allowed_size_in_bytes=5_200_000,
        max_pending_messages=100_000,
        send_timeout_millis=10_000,
    )


def consumer_of(system: System, client: Any, topic: str) -> Any:
    return system.consumer(client, f"{topic}-partition-0")


def next_of(consumer: Any, wait_ms: int) -> Any:
    """Return the next message; None if none comes within so many milliseconds."""
    deadline = time.monotonic() + wait_ms / 1000
    while True:
        if consumer.ready(0.05) and (message := consumer.receive()) is not None:
            return message
        if time.monotonic() > deadline:
            return None


def publish(client: Any, topic: str, *payloads: bytes) -> None:
    """Publish each message in its own entry, since an entry acknowledged in part comes again whole."""
    producer = producer_of(client, topic)
    for payload in payloads:
        assert confirmed(producer, partial(producer.send_async, payload)) == [OK]
    producer.close()


OK = pulsar.Result.Ok


def confirmed(producer: Any, *sends: Callable[[Callable[[Any, Any], None]], None]) -> list[Any]:
    """Send and flush; return what the callbacks were told."""
    results: list[Any] = []
    for send in sends:
        send(lambda result, _id: results.append(result))
    producer.flush()
    # The real one calls back on a thread of its own, also after the flush.
    deadline = time.monotonic() + 10
    while len(results) < len(sends) and time.monotonic() < deadline:
        time.sleep(0.01)
    return results


def received(consumer: Any) -> dict[bytes, Any]:
    """Return all that comes, by payload."""
    found: dict[bytes, Any] = {}
    wait_ms = SOON_MS
    while True:
        if (message := next_of(consumer, wait_ms)) is None:
            return found
        found[message.data()] = message
        wait_ms = NEVER_MS


def test_a_message_arrives_as_it_was_sent(system: System, client: Any) -> None:
    topic = system.topic()
    producer = producer_of(client, topic)
    results = confirmed(
        producer,
        lambda told: producer.send_async(b"a", told, {"x": "ñ"}, partition_key="k"),
        partial(producer.send_async, b"b"),
    )
    assert results == [OK, OK]
    messages = received(consumer_of(system, client, topic))
    assert [(m.data(), m.partition_key(), m.properties()) for m in messages.values()] == [
        (b"a", "k", {"x": "ñ"}),
        (b"b", "", {}),
    ]
    assert len({str(message.message_id()) for message in messages.values()}) == 2
    assert all(message.publish_timestamp() > 1_700_000_000_000 for message in messages.values())


def test_what_is_not_flushed_is_not_there(system: System, client: Any) -> None:
    topic = system.topic()
    producer = producer_of(client, topic)
    producer.send_async(b"a", None)
    consumer = consumer_of(system, client, topic)
    assert next_of(consumer, NEVER_MS) is None
    producer.flush()
    assert next_of(consumer, SOON_MS).data() == b"a"


def test_a_new_subscription_begins_with_the_first_message(system: System, client: Any) -> None:
    topic = system.topic()
    publish(client, topic, b"before")
    consumer = consumer_of(system, client, topic)
    publish(client, topic, b"after")
    assert set(received(consumer)) == {b"before", b"after"}


@pytest.mark.parametrize("how", ["close", "crash"])
def test_what_is_not_acknowledged_comes_again_and_nothing_else_does(system: System, client: Any, how: str) -> None:
    topic = system.topic()
    publish(client, topic, b"a", b"b", b"c", b"d")
    first = system.client()
    consumer = consumer_of(system, first, topic)
    messages = received(consumer)
    # Neither the first message nor those before it, since an acknowledgement is for one message.
    consumer.acknowledge(messages[b"b"])
    consumer.acknowledge(messages[b"d"])
    if how == "close":
        consumer.close()
    else:
        # Acknowledgements are grouped, and sent after a moment.
        system.pass_time(0.5)
        system.crash(first)
    assert set(received(consumer_of(system, client, topic))) == {b"a", b"c"}


def test_a_message_is_one_consumers_until_that_is_closed(system: System, client: Any) -> None:
    topic = system.topic()
    publish(client, topic, b"a", b"b", b"c")
    first = consumer_of(system, client, topic)
    held = received(first)
    second = consumer_of(system, system.client(), topic)
    assert received(second) == {}
    first.close()
    assert set(received(second)) == set(held) == {b"a", b"b", b"c"}


def test_an_acknowledgement_twice_is_one(system: System, client: Any) -> None:
    topic = system.topic()
    publish(client, topic, b"a", b"b")
    consumer = consumer_of(system, client, topic)
    messages = received(consumer)
    consumer.acknowledge(messages[b"a"])
    consumer.acknowledge(messages[b"a"])
    consumer.close()
    assert set(received(consumer_of(system, client, topic))) == {b"b"}


def test_a_rewound_subscription_gives_everything_again_what_was_acknowledged_too(system: System, client: Any) -> None:
    topic = system.topic()
    publish(client, topic, b"a", b"b")
    consumer = consumer_of(system, client, topic)
    for message in received(consumer).values():
        consumer.acknowledge(message)
    consumer.close()
    consumer = consumer_of(system, client, topic)
    assert received(consumer) == {}
    system.rewind(topic)
    assert set(received(consumer)) == {b"a", b"b"}


def test_a_delayed_message_comes_when_it_is_due(system: System, client: Any) -> None:
    topic = system.topic()
    consumer = consumer_of(system, client, topic)
    producer = producer_of(client, topic)
    results = confirmed(
        producer,
        lambda told: producer.send_async(b"later", told, deliver_after=timedelta(seconds=DELAY_S)),
        partial(producer.send_async, b"now"),
    )
    assert results == [OK, OK]
    assert set(received(consumer)) == {b"now"}
    # The broker looks once a second.
    system.pass_time(DELAY_S + 1)
    assert next_of(consumer, SOON_MS).data() == b"later"


def test_an_entry_over_the_brokers_limit_is_not_stored_and_its_callback_says_so(system: System, client: Any) -> None:
    topic = system.topic()
    producer = producer_of(client, topic)
    big = b"x" * (5 * 1024 * 1024 + 1)
    results: list[Any] = []
    # The real broker may refuse at once; with either one, the entry isn't stored, which is all the runtime relies on.
    with contextlib.suppress(pulsar.PulsarException):
        results = confirmed(producer, partial(producer.send_async, big))
    assert OK not in results
    publish(client, topic, b"small")
    assert set(received(consumer_of(system, client, topic))) == {b"small"}


def test_an_entry_over_its_topics_limit_breaks_the_connection_and_is_told_of_only_when_closed(
    system: System, client: Any
) -> None:
    topic = system.topic()
    system.limit(topic, 10_000)
    producer = producer_of(client, topic)
    results: list[Any] = []
    flushed: list[Any] = []
    producer.send_async(b"x" * 10_001, lambda result, _id: results.append(result))
    producer._producer.flush_async(flushed.append)
    deadline = time.monotonic() + 5
    while producer.is_connected():
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert results == []
    producer.close()
    assert results == [pulsar.Result.AlreadyClosed]
    publish(client, topic, b"y" * 9_000)
    assert set(received(consumer_of(system, client, topic))) == {b"y" * 9_000}


def test_a_flush_that_is_not_waited_for_tells_when_all_is_stored(system: System, client: Any) -> None:
    topic = system.topic()
    producer = producer_of(client, topic)
    flushed: list[Any] = []
    producer.send_async(b"a", None)
    producer._producer.flush_async(flushed.append)
    deadline = time.monotonic() + 10
    while not flushed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert flushed == [OK]
    assert set(received(consumer_of(system, client, topic))) == {b"a"}
    producer.close()
    producer._producer.flush_async(flushed.append)
    assert flushed == [OK, pulsar.Result.AlreadyClosed]


def test_a_closed_producer_refuses_and_a_closed_consumer_gives_nothing(system: System, client: Any) -> None:
    topic = system.topic()
    publish(client, topic, b"a")
    consumer, producer = consumer_of(system, client, topic), producer_of(client, topic)
    message = next_of(consumer, SOON_MS)
    consumer.close()
    producer.close()
    assert next_of(consumer, NEVER_MS) is None
    consumer.acknowledge(message)
    assert set(received(consumer_of(system, client, topic))) == {b"a"}
    with pytest.raises(pulsar.AlreadyClosed):
        producer.flush()


def test_a_closed_client_opens_nothing(system: System) -> None:
    client, topic = system.client(), system.topic()
    system.crash(client)
    with pytest.raises(pulsar.PulsarException):
        producer_of(client, topic)
    with pytest.raises((pulsar.PulsarException, WireError)):
        consumer_of(system, client, topic)


def read(reader: Any, number: int) -> list[Any]:
    """Return so many messages, and see that no other comes."""
    found = [reader.read(SOON_MS / 1000) for _ in range(number)]
    assert reader.read(NEVER_MS / 1000) is None
    assert not list(reader.rest())
    return found


def test_a_reader_begins_where_it_is_told_and_takes_nothing_from_a_subscription(system: System, client: Any) -> None:
    topic = system.topic()
    publish(client, topic, b"a", b"b", b"c")
    partition = f"{topic}-partition-0"
    with contextlib.closing(system.reader(client, partition, EARLIEST)) as reader:
        assert reader.connected
        assert reader.seen == MessageId(-1, -1)
        messages = read(reader, 3)
        assert [message.data() for message in messages] == [b"a", b"b", b"c"]
        places = [message.message_id()[:2] for message in messages]
        assert places == sorted(places)
        assert reader.seen[:2] == places[-1]
    with contextlib.closing(system.reader(client, partition, MessageId(*places[1]))) as reader:
        assert [message.data() for message in read(reader, 2)] == [b"b", b"c"]
    assert set(received(consumer_of(system, client, topic))) == {b"a", b"b", b"c"}


@pytest.mark.parametrize("other", ["-partition-7", "-elsewhere"])
def test_a_reader_of_a_topic_that_is_not_there_is_refused(system: System, client: Any, other: str) -> None:
    topic = system.topic()
    publish(client, topic, b"a")
    with pytest.raises(WireError):
        system.reader(client, topic + other, EARLIEST)
