"""Nothing counts as published until the broker has confirmed each entry; the client fails when told to."""

import contextlib
import sys
from typing import Any

import pulsar
import pytest
from pulsar.schema import BytesSchema

from alpes_runtime import _publisher as module
from alpes_runtime._message import Event
from alpes_runtime._publisher import PulsarPublisher, encoded
from alpes_runtime.errors import PublishFailed, Refused
from alpes_runtime.testing import FakeClock
from tests.unit.runtime.parts import instance_context
from tests.unit.scripted_client import ScriptedClient


def publisher_of(
    client: ScriptedClient, clock: FakeClock | None = None, *, trace_property: bool = False, **schemas: Any
) -> PulsarPublisher:
    return PulsarPublisher(instance_context(client=client, clock=clock, trace_property=trace_property), schemas)


def publish(client: ScriptedClient, events: list[Event], publisher: PulsarPublisher | None = None) -> PulsarPublisher:
    made = publisher or publisher_of(client)
    with made._context.lock:
        made.publish(events)
    return made


def events(number: int, topic: str = "t") -> list[Event]:
    return [Event(topic, f"k{n}", b"%d" % n) for n in range(number)]


def payloads(client: ScriptedClient) -> list[bytes]:
    return sorted(message.payload for message in client.stored)


@pytest.mark.parametrize("switched_on", [True, False])
def test_the_trace_is_a_property_beside_the_others_where_it_is_switched_on(switched_on: bool) -> None:
    traced = Event("t", "k", b"a", traceparent="00-trace")
    group = [traced, traced._replace(properties={"attempt": "2"}), Event("t", "k", b"b"), traced._replace(delay_ms=5)]
    trace = {"traceparent": "00-trace"} if switched_on else {}
    client = ScriptedClient()
    publish(client, group, publisher_of(client, trace_property=switched_on))
    # The delayed one is an entry of its own, after the others.
    assert [each or {} for each in client.properties] == [trace, {"attempt": "2", **trace}, {}, trace]
    assert group[1].properties == {"attempt": "2"}


def test_a_group_is_one_entry_with_one_callback() -> None:
    client = ScriptedClient()
    publish(client, events(1000))
    assert (client.entries, client.callbacks, len(client.stored)) == (1, 1, 1000)


def test_a_failed_entry_is_seen_though_flush_says_ok() -> None:
    client = ScriptedClient()
    client.verdict = lambda entry: pulsar.Result.ChecksumError
    with pytest.raises(PublishFailed, match="ChecksumError"):
        publish(client, events(3))


def test_each_entry_of_a_large_group_is_confirmed_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRY_MESSAGES", 2)
    client = ScriptedClient()
    client.verdict = lambda entry: pulsar.Result.Timeout if entry == 2 else pulsar.Result.Ok
    with pytest.raises(PublishFailed):
        publish(client, events(6))
    client.verdict = lambda _entry: pulsar.Result.Ok
    publish(client, events(6))
    assert set(payloads(client)) == {b"%d" % n for n in range(6)}


def test_each_entry_of_a_large_group_is_a_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ENTRY_MESSAGES", 2)
    client, beats = ScriptedClient(), []
    publisher = publisher_of(client)
    monkeypatch.setattr(publisher._context, "heartbeat", lambda: beats.append(client.entries))
    publish(client, events(6), publisher)
    assert beats == [0, 1, 2]


def test_an_entry_without_an_answer_counts_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONFIRM_TIMEOUT_S", 0.05)
    client = ScriptedClient()
    client.verdict = lambda _entry: None
    with pytest.raises(PublishFailed, match="no confirmation"):
        publish(client, events(3))


@pytest.mark.parametrize("error", [pulsar.AlreadyClosed("closed"), pulsar.Timeout("slow"), RuntimeError("odd")])
def test_a_flush_that_raises_is_a_failed_publish(error: Exception) -> None:
    client = ScriptedClient()
    client.flush_error = error
    with pytest.raises(PublishFailed, match=type(error).__name__):
        publish(client, events(1))


def test_a_full_queue_is_a_failed_publish() -> None:
    client = ScriptedClient()
    client.full = 2
    with pytest.raises(PublishFailed, match="ProducerQueueIsFull"):
        publish(client, events(3))


def test_after_a_failure_the_producer_is_replaced_and_the_group_goes_through() -> None:
    client = ScriptedClient()
    client.verdict = lambda entry: pulsar.Result.Timeout if entry == 1 else pulsar.Result.Ok
    publisher = publisher_of(client)
    with pytest.raises(PublishFailed):
        publish(client, events(3), publisher)
    publish(client, events(3), publisher)
    assert len(client.opened) == 2
    assert payloads(client) == [b"0", b"1", b"2"]


def test_a_producer_that_works_is_kept() -> None:
    client = ScriptedClient()
    publisher = publish(client, events(1))
    publish(client, events(1), publisher)
    assert len(client.opened) == 1
    publisher.close()
    assert client.opened[0].closed


def test_a_broker_that_is_away_is_a_failed_publish_and_asked_again() -> None:
    client = ScriptedClient()
    client.away = pulsar.ConnectError("refused")
    publisher = publisher_of(client)
    with pytest.raises(PublishFailed, match="ConnectError"):
        publish(client, events(1), publisher)
    client.away = None
    publish(client, events(1), publisher)
    assert payloads(client) == [b"0"]


def test_each_delayed_message_has_a_confirmation_of_its_own() -> None:
    delayed = [Event("retry", "k", b"%d" % n, {"attempt": "2"}, 1000) for n in range(3)]
    client = ScriptedClient()
    publish(client, delayed)
    assert (client.entries, client.callbacks) == (3, 3)
    for failing in (1, 2, 3):
        client = ScriptedClient()
        client.verdict = lambda entry, n=failing: pulsar.Result.Timeout if entry == n else pulsar.Result.Ok  # type: ignore[misc]
        with pytest.raises(PublishFailed):
            publish(client, delayed)


def test_one_failing_partition_fails_the_group() -> None:
    client = ScriptedClient(partitions=4)
    client.verdict = lambda entry: pulsar.Result.Timeout if entry == 1 else pulsar.Result.Ok
    with pytest.raises(PublishFailed):
        publish(client, events(100))


def test_a_key_always_goes_to_the_same_partition_and_all_partitions_are_used() -> None:
    client = ScriptedClient(partitions=4)
    publisher = publish(client, events(100))
    publish(client, events(100), publisher)
    where: dict[bytes, set[str]] = {}
    for topic, _, payload in client.stored:
        where.setdefault(payload, set()).add(topic)
    assert all(len(topics) == 1 for topics in where.values())
    assert len({topic for topics in where.values() for topic in topics}) == 4


def test_the_topics_of_a_mixed_group_each_get_theirs_in_order() -> None:
    client = ScriptedClient()
    publish(client, [Event("a", "k", b"1"), Event("b", "k", b"2"), Event("a", "k", b"3")])
    stored = [(message.topic, message.payload) for message in client.stored]
    assert stored == [("a-partition-0", b"1"), ("a-partition-0", b"3"), ("b-partition-0", b"2")]


def test_only_the_topic_that_carries_a_schema_gets_one() -> None:
    client = ScriptedClient()
    schema = encoded(BytesSchema())
    publisher = publisher_of(client, a=schema)
    publish(client, [*events(1, "a"), *events(1, "b")], publisher)
    assert client.options[0]["schema"] is schema
    assert "schema" not in client.options[1]
    assert client.options[0]["properties"] == publisher._context.client_properties


def test_the_lock_is_held_again_after_a_failure() -> None:
    client = ScriptedClient()
    client.flush_error = pulsar.Timeout("slow")
    publisher = publisher_of(client)
    lock = publisher._context.lock
    with lock, pytest.raises(PublishFailed):
        publisher.publish(events(1))
    with lock:
        pass


# An entry that is too large for the broker breaks the connection, and no callback reports it.


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> ScriptedClient:
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    return ScriptedClient()


def of_bytes(*sizes: int, delay_ms: int = 0) -> list[Event]:
    return [Event("t", f"k{n}", bytes([n]) * size, delay_ms=delay_ms) for n, size in enumerate(sizes)]


def test_an_entry_that_is_refused_for_its_size_is_cut_until_it_is_taken(client: ScriptedClient) -> None:
    client.takes = 1000
    publish(client, of_bytes(*[100] * 200))
    assert payloads(client) == sorted(bytes([n]) * 100 for n in range(200))


def test_a_bound_that_was_found_is_kept_for_a_while_and_then_tried_again(client: ScriptedClient) -> None:
    client.takes, clock = 1000, FakeClock()
    publisher = publisher_of(client, clock)
    publish(client, of_bytes(*[100] * 200), publisher)
    producers = len(client.opened)
    publish(client, of_bytes(*[100] * 200), publisher)
    assert len(client.opened) == producers
    client.takes = sys.maxsize
    clock.now += module.BOUND_KEPT_S
    publish(client, of_bytes(*[100] * 200), publisher)
    assert client.sizes[-1] == 20_000
    assert len(client.opened) == producers


def test_an_event_that_is_refused_alone_is_named_and_all_others_are_stored(client: ScriptedClient) -> None:
    client.takes = 1000
    group = of_bytes(100, 2000, 100, 1001, 1000)
    with pytest.raises(Refused) as refused:
        publish(client, group)
    assert {id(event) for event in refused.value.events} == {id(group[1]), id(group[3])}
    assert payloads(client) == sorted(group[n].payload for n in (0, 2, 4))


def test_a_connection_that_breaks_once_cuts_nothing(client: ScriptedClient) -> None:
    client.breaks = 1
    publisher = publish(client, of_bytes(*[100] * 50))
    publish(client, of_bytes(*[100] * 50), publisher)
    assert client.sizes == [5000, 5000, 5000]


def test_a_lone_event_is_not_tried_again_for_a_while_once_smaller_ones_go_through(client: ScriptedClient) -> None:
    client.takes, clock = 1000, FakeClock()
    publisher = publisher_of(client, clock)
    for size, tries in ((2000, 2), (500, 1), (2000, 0), (1500, 2), (500, 1), (1600, 0)):
        before = client.entries
        try:
            publish(client, of_bytes(size), publisher)
        except Refused:
            assert size > client.takes
        assert client.entries - before == tries
    clock.now += module.BOUND_KEPT_S
    client.takes = sys.maxsize
    publish(client, of_bytes(2000), publisher)


def test_what_the_client_itself_finds_too_large_is_cut_as_well(client: ScriptedClient) -> None:
    client.verdict = lambda _entry: pulsar.Result.Ok if client.sizes[-1] <= 1000 else pulsar.Result.MessageTooBig
    group = of_bytes(100, 2000, *[100] * 50)
    with pytest.raises(Refused) as refused:
        publish(client, group)
    assert refused.value.events == [group[1]]
    assert len(payloads(client)) == 51


def test_where_nothing_is_taken_few_attempts_are_made(client: ScriptedClient) -> None:
    client.takes = -1
    group = of_bytes(*[100] * 200)
    with pytest.raises(Refused) as refused:
        publish(client, group)
    assert len(refused.value.events) == 200
    assert client.entries == 3


def test_delayed_events_are_told_apart_by_their_size_too(client: ScriptedClient) -> None:
    client.takes = 1000
    group = of_bytes(*[100] * 20, 3000, *[100] * 20, delay_ms=5)
    with pytest.raises(Refused) as refused:
        publish(client, group)
    assert refused.value.events == [group[20]]
    assert set(payloads(client)) == {event.payload for event in group if event is not group[20]}


def test_the_producer_of_a_refused_entry_is_closed_before_the_next_one_is_opened(client: ScriptedClient) -> None:
    client.takes = 1000
    publish(client, of_bytes(*[100] * 20))
    assert all(producer.closed for producer in client.opened[:-1])


@pytest.mark.parametrize("sizes", [[10, 5000, 10], [5000], [10, 10]])
def test_one_partition_that_refuses_does_not_keep_the_others_from_theirs(
    client: ScriptedClient, sizes: list[int]
) -> None:
    client.takes = 1000
    group = [event._replace(topic=topic) for topic in ("a", "b") for event in of_bytes(*sizes)]
    refused = pytest.raises(Refused) if max(sizes) > 1000 else contextlib.nullcontext()
    with refused:
        publish(client, group)
    assert len(client.stored) == sum(size <= 1000 for size in sizes) * 2
