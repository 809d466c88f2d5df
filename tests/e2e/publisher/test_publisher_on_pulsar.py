"""What the publisher promises, on the real client and broker, where nothing goes wrong."""

import time
from typing import Any

import pulsar
import pytest
from pulsar.schema import ProtobufNativeSchema

from alpes_runtime import _publisher as publisher_module
from alpes_runtime._message import MAX_EVENT_BYTES, Event
from alpes_runtime._publisher import MAX_ENTRY_MESSAGES, encoded
from schemas.tienda.v1.ordenes_pb2 import OrdenCreada
from tests.e2e.publisher.broker import Namespace
from tests.e2e.publisher.link import Link
from tests.e2e.publisher.publishing import Publishing, events, numbered

pytestmark = pytest.mark.core


def entry(message: Any) -> tuple[int, int]:
    identity = message.message_id()
    return identity.ledger_id(), identity.entry_id()


def test_a_group_of_small_events_makes_one_entry(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("entry")
    publishing = Publishing(client)
    publishing.publish(events(topic, numbered(MAX_ENTRY_MESSAGES)))
    publishing.publish(events(topic, numbered(10)))
    stored = namespace.stored(topic)
    assert [message.data() for message in stored] == [*numbered(MAX_ENTRY_MESSAGES), *numbered(10)]
    assert len({entry(message) for message in stored[:MAX_ENTRY_MESSAGES]}) == 1
    assert len({entry(message) for message in stored}) == 2


@pytest.mark.parametrize(("switched_on", "found"), [(True, {"traceparent": "00-trace"}), (False, {})])
def test_the_trace_of_a_full_batch_is_a_property_of_each_message_where_it_is_switched_on(
    namespace: Namespace, client: Any, switched_on: bool, found: dict[str, str]
) -> None:
    topic = namespace.topic(f"traced-{switched_on}")
    group = [event._replace(traceparent="00-trace") for event in events(topic, numbered(1000))]
    Publishing(client, trace_property=switched_on).publish(group)
    assert [message.properties() for message in namespace.stored(topic)] == [found] * 1000


def test_a_group_with_too_many_events_for_one_entry_is_cut(
    namespace: Namespace, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "MAX_ENTRY_MESSAGES", 1000)
    topic = namespace.topic("many")
    payloads = numbered(2001)
    Publishing(client).publish(events(topic, payloads))
    stored = namespace.stored(topic)
    assert [message.data() for message in stored] == payloads
    assert len({entry(message) for message in stored}) == 3


def test_a_group_with_too_many_bytes_for_one_entry_is_cut(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("bytes")
    payloads = [bytes([number]) * 1_500_000 for number in range(7)]
    Publishing(client).publish(events(topic, payloads))
    stored = namespace.stored(topic)
    assert [message.data() for message in stored] == payloads
    assert len({entry(message) for message in stored}) == 4


def test_the_largest_event_is_stored(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("largest")
    properties = {f"property-{number}": "y" * 1000 for number in range(60)}
    spare = sum(len(name) + len(value) for name, value in properties.items())
    largest = Event(topic, "key", b"x" * (MAX_EVENT_BYTES - spare - 3), properties)
    Publishing(client).publish([*events(topic, numbered(3)), largest, *events(topic, numbered(3, "n"))])
    stored = namespace.stored(topic)
    assert [message.data() for message in stored] == [*numbered(3), largest.payload, *numbered(3, "n")]
    assert stored[3].properties() == properties


def test_keys_and_properties_arrive(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("keys")
    group = [
        Event(topic, "orden-1", b"a"),
        Event(topic, "", b"b", {}),
        Event(topic, "órden-2", b"c", {"attempt": "2", "error.message": "ñandú €"}),
    ]
    Publishing(client).publish(group)
    arrived = [(message.partition_key(), message.data(), message.properties()) for message in namespace.stored(topic)]
    assert arrived == [(event.key, event.payload, dict(event.properties or {})) for event in group]


def test_several_topics_in_one_group(namespace: Namespace, client: Any) -> None:
    topics = [namespace.topic("several") for _ in range(3)]
    mixed = [event for row in zip(*(events(topic, numbered(20)) for topic in topics), strict=True) for event in row]
    Publishing(client).publish(mixed)
    assert [namespace.payloads(topic) for topic in topics] == [numbered(20)] * 3


def test_a_key_always_goes_to_the_same_partition(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("routed", partitions=4)
    publishing = Publishing(client)
    for round_ in range(3):
        publishing.publish([Event(topic, f"k{number}", b"%d-%d" % (round_, number)) for number in range(200)])
    stored = namespace.stored(topic)
    assert len({message.data() for message in stored}) == len(stored) == 600
    homes = {(message.partition_key(), message.message_id().partition()) for message in stored}
    assert len(homes) == 200
    assert {home for _, home in homes} == {0, 1, 2, 3}


def test_delayed_events_are_all_there_and_come_later(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("delayed")
    consumer = client.subscribe(topic, "s", consumer_type=pulsar.ConsumerType.Shared)
    now, later = numbered(20, "now"), numbered(20, "later")
    group = [
        event for pair in zip(events(topic, later, delay_ms=1500), events(topic, now), strict=True) for event in pair
    ]
    began = time.monotonic()
    Publishing(client).publish(group)
    assert set(namespace.payloads(topic)) == {*now, *later}
    arrivals = {message.data(): time.monotonic() - began for message in (consumer.receive(5000) for _ in group)}
    consumer.close()
    assert set(arrivals) == {*now, *later}
    assert max(arrivals[payload] for payload in now) < min(arrivals[payload] for payload in later)
    # The broker looks once a second, and may be that much early.
    assert min(arrivals[payload] for payload in later) > 0.4


def test_an_encoded_schema_is_registered_and_a_typed_consumer_decodes(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("schema")
    order = OrdenCreada(id="o-1", client_id=7, address="Calle 1")
    publishing = Publishing(client, {topic: encoded(ProtobufNativeSchema(OrdenCreada))})
    publishing.publish([Event(topic, "o-1", order.SerializeToString())])
    assert namespace.schema(topic)["type"] == "PROTOBUF_NATIVE"
    consumer = client.subscribe(
        topic,
        "typed",
        schema=ProtobufNativeSchema(OrdenCreada),
        initial_position=pulsar.InitialPosition.Earliest,
    )
    message = consumer.receive(5000)
    assert message.value() == order
    assert message.data() == order.SerializeToString()
    consumer.close()


def test_close_takes_no_longer_than_the_clients_own_timeout(
    namespace: Namespace, link: Link, linked_client: Any
) -> None:
    topic = namespace.topic("close")
    publishing = Publishing(linked_client)
    publishing.publish(events(topic, numbered(10)))
    link.stall()
    began = time.monotonic()
    publishing.publisher.close()
    # `client_of` gives up after three seconds.
    assert time.monotonic() - began < 5
    publishing.publisher.close()
    link.repair()
    assert namespace.payloads(topic) == numbered(10)
