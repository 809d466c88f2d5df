"""What the simulation's broker promises, the real one promises too: the same tests on both."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any, Protocol

import pulsar
import pytest

from tests.e2e.publisher.broker import Namespace
from tests.e2e.publisher.publishing import numbered
from tests.simulation.broker import Broker, Client
from tests.simulation.scheduler import Scheduler

SUBSCRIPTION = "pruebas"
DELAY_S = 3.0
SOON_MS = 3000
"""How long is waited for a message that has to come."""
NEVER_MS = 700
"""How long is waited for one that must not."""
UNBATCHED = {"batching_enabled": False}
ONE_ENTRY = {
    "batching_enabled": True,
    "batching_max_publish_delay_ms": 100_000,
    "batching_max_messages": 20_000,
    "batching_max_allowed_size_in_bytes": 5_200_000,
    "max_pending_messages": 40_000,
    "block_if_queue_full": False,
    "send_timeout_millis": 10_000,
}
"""As the runtime's publisher has it: a batch ends with a flush and nowhere else."""


class Both(Protocol):
    """A broker, real or not."""

    client: Any

    def topic(self) -> str:
        """Return a new topic."""
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        ...


class Real:
    """The real one."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self.client = namespace.client

    def topic(self) -> str:
        return self._namespace.topic("simulated")

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


class Simulated:
    """The one of the simulation, with nobody else around."""

    def __init__(self) -> None:
        self._scheduler = Scheduler(Random(1))
        self.client = Client(Broker(self._scheduler, Random(2)))
        self._topics = 0

    def topic(self) -> str:
        self._topics += 1
        return f"persistent://alpes/tienda/t{self._topics}"

    def wait(self, seconds: float) -> None:
        self._scheduler.now += seconds


@pytest.fixture(params=["simulated", "pulsar"])
def both(request: pytest.FixtureRequest) -> Both:
    return Simulated() if request.param == "simulated" else Real(request.getfixturevalue("namespace"))


Open = Callable[[str], Any]


@pytest.fixture
def consume(both: Both) -> Iterator[Open]:
    """Opens consumers as the direct intake does."""
    opened: list[Any] = []

    def open_one(topic: str) -> Any:
        (partition,) = both.client.get_topic_partitions(topic)
        opened.append(
            both.client.subscribe(
                partition,
                SUBSCRIPTION,
                consumer_type=pulsar.ConsumerType.Shared,
                initial_position=pulsar.InitialPosition.Earliest,
                receiver_queue_size=1000,
            )
        )
        return opened[-1]

    yield open_one
    for consumer in opened:
        with suppress(pulsar.AlreadyClosed):
            consumer.close()


def produce(both: Both, topic: str, **options: Any) -> Any:
    (partition,) = both.client.get_topic_partitions(topic)
    return both.client.create_producer(partition, **(options or ONE_ENTRY))


def send(both: Both, topic: str, *payloads: bytes) -> None:
    """Publish messages, each in an entry of its own: one that is acknowledged in part would come again whole."""
    producer = produce(both, topic, **UNBATCHED)
    for payload in payloads:
        producer.send_async(payload, None)
    producer.flush()
    producer.close()


def received(consumer: Any, timeout_ms: int = SOON_MS) -> list[Any]:
    """Take what is there."""
    messages = []
    with suppress(pulsar.Timeout):
        while True:
            messages.append(consumer.receive(timeout_millis=timeout_ms if not messages else NEVER_MS))
    return messages


def payloads(messages: list[Any]) -> list[bytes]:
    return [message.data() for message in messages]


def test_a_flushed_message_comes_with_key_and_properties_and_its_callback_says_ok(both: Both, consume: Open) -> None:
    topic = both.topic()
    said: list[Any] = []
    producer = produce(both, topic)
    producer.send_async(b"a", lambda result, _: said.append(result), {"p": "1"}, partition_key="k")
    producer.send_async(b"b", None)
    producer.flush()
    assert said == [pulsar.Result.Ok]
    first, second = received(consume(topic))
    assert (first.data(), first.partition_key(), first.properties()) == (b"a", "k", {"p": "1"})
    assert (second.data(), second.partition_key(), second.properties()) == (b"b", "", {})
    assert first.publish_timestamp() > 1_700_000_000_000
    assert str(first.message_id()) != str(second.message_id())


def test_nothing_is_stored_before_the_flush(both: Both, consume: Open) -> None:
    topic = both.topic()
    consumer = consume(topic)
    producer = produce(both, topic)
    producer.send_async(b"a", None)
    assert received(consumer, NEVER_MS) == []
    producer.flush()
    assert payloads(received(consumer)) == [b"a"]


def test_a_subscription_begins_with_the_first_message_that_was_ever_stored(both: Both, consume: Open) -> None:
    topic = both.topic()
    send(both, topic, *numbered(5))
    assert payloads(received(consume(topic))) == numbered(5)


def test_of_two_consumers_each_message_goes_to_one(both: Both, consume: Open) -> None:
    topic = both.topic()
    one, other = consume(topic), consume(topic)
    send(both, topic, *numbered(20))
    messages = [*payloads(received(one)), *payloads(received(other))]
    assert sorted(messages) == sorted(numbered(20))


def test_what_a_consumer_did_not_acknowledge_goes_to_the_next_one_when_it_closes(both: Both, consume: Open) -> None:
    topic = both.topic()
    send(both, topic, *numbered(10))
    first = consume(topic)
    messages = received(first)
    for message in messages[:4]:
        first.acknowledge(message)
    first.close()
    assert sorted(payloads(received(consume(topic)))) == sorted(numbered(10)[4:])


def test_what_was_acknowledged_in_any_order_never_comes_again(both: Both, consume: Open) -> None:
    topic = both.topic()
    send(both, topic, *numbered(6))
    first = consume(topic)
    for message in reversed(received(first)):
        first.acknowledge(message)
    first.close()
    assert received(consume(topic), NEVER_MS) == []


def test_an_acknowledgement_covers_its_own_message_alone(both: Both, consume: Open) -> None:
    topic = both.topic()
    send(both, topic, *numbered(5))
    first = consume(topic)
    first.acknowledge(received(first)[3])
    first.close()
    assert sorted(payloads(received(consume(topic)))) == sorted([*numbered(5)[:3], numbered(5)[4]])


def test_an_empty_topic_says_timeout(both: Both, consume: Open) -> None:
    with pytest.raises(pulsar.Timeout):
        consume(both.topic()).receive(timeout_millis=100)


def test_a_delayed_message_comes_when_it_is_due_and_others_overtake_it(both: Both, consume: Open) -> None:
    topic = both.topic()
    consumer = consume(topic)
    producer = produce(both, topic)
    producer.send_async(b"later", None, deliver_after=timedelta(seconds=DELAY_S))
    producer.send_async(b"now", None)
    producer.flush()
    assert payloads(received(consumer, 1000)) == [b"now"]
    both.wait(DELAY_S + 1.5)
    assert payloads(received(consumer)) == [b"later"]


def test_what_is_closed_says_so(both: Both, consume: Open) -> None:
    topic = both.topic()
    send(both, topic, b"a")
    consumer, producer = consume(topic), produce(both, topic)
    (message,) = received(consumer)
    consumer.close()
    producer.close()
    with pytest.raises(pulsar.AlreadyClosed):
        consumer.receive(timeout_millis=100)
    with pytest.raises(pulsar.AlreadyClosed):
        consumer.acknowledge(message)
    said: list[Any] = []
    with suppress(pulsar.AlreadyClosed):
        producer.send_async(b"b", lambda result, _: said.append(result))
        producer.flush()
    both.wait(0.5)
    assert pulsar.Result.Ok not in said
    assert payloads(received(consume(topic))) == [b"a"]


def test_flush_says_ok_though_an_entry_too_big_through_its_properties_was_refused_whole(
    both: Both, consume: Open
) -> None:
    topic = both.topic()
    said: list[Any] = []
    producer = produce(both, topic)
    for number in range(1000):
        callback = (lambda result, _: said.append(result)) if number == 0 else None
        producer.send_async(b"x", callback, {"p": "y" * 6000})
    producer.flush()
    both.wait(1.0)
    assert said
    assert said[0] != pulsar.Result.Ok
    producer.close()
    assert received(consume(topic), NEVER_MS) == []


def test_a_subscription_that_is_reset_delivers_everything_again(both: Both, consume: Open) -> None:
    topic = both.topic()
    send(both, topic, *numbered(5))
    consumer = consume(topic)
    for message in received(consumer):
        consumer.acknowledge(message)
    both.wait(0.5)
    if isinstance(both, Simulated):
        consumer.subscription.rewind()
    else:
        consumer.seek(pulsar.MessageId.earliest)
    assert sorted(payloads(received(consumer))) == sorted(numbered(5))
