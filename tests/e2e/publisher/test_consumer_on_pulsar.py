"""Our own consumer and reader on the real broker: what comes, what comes again, and what the broker is told."""

import time
from typing import Any

import pytest

from alpes_wire import EARLIEST, LATEST, Consumer, Endpoint, Reader, WireError
from tests.e2e.publisher.broker import Namespace
from tests.e2e.publisher.link import Link
from tests.e2e.publisher.publishing import Naive, Publishing, events, numbered
from tests.lanes import PATIENCE
from tests.raw_producer import Raw, RawProducer, batch, metadata

pytestmark = pytest.mark.core

SUBSCRIPTION = "pruebas"


def opened(url: str, topic: str) -> Consumer:
    consumer = Consumer(Endpoint(url), f"{topic}-partition-0", SUBSCRIPTION)
    consumer.open()
    return consumer


def taken(consumer: Consumer, count: int, seconds: float = 10.0) -> list[Any]:
    """Take so many messages, or what comes within some seconds."""
    messages: list[Any] = []
    deadline = time.monotonic() + seconds
    while len(messages) < count and time.monotonic() < deadline:
        if consumer.ready(0.1):
            while (message := consumer.receive()) is not None:
                messages.append(message)
    return messages


def stats(namespace: Namespace, topic: str) -> dict[str, Any]:
    path = topic.replace("://", "/")
    found: dict[str, Any] = namespace._admin.get(f"/admin/v2/{path}-partition-0/stats")
    return dict(found["subscriptions"][SUBSCRIPTION])


def told(namespace: Namespace, topic: str, backlog: int, seconds: float = 5.0) -> bool:
    """Whether the broker comes to know of all but so many acknowledgements."""
    deadline = time.monotonic() + seconds * PATIENCE
    while stats(namespace, topic)["msgBacklog"] != backlog:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def publish(namespace: Namespace, topic: str, count: int) -> None:
    Publishing(namespace.client).publish(events(topic, numbered(count)))


def test_an_entry_is_acknowledged_with_its_last_message(namespace: Namespace) -> None:
    topic = namespace.topic("batch")
    publish(namespace, topic, 10)
    consumer = opened(namespace.service_url, topic)
    messages = taken(consumer, 10)
    for message in messages[1:]:
        consumer.acknowledge(message)
        consumer.acknowledge(message)
    consumer.tend()
    time.sleep(0.5)
    # The backlog is counted in entries.
    assert told(namespace, topic, 1)
    consumer.acknowledge(messages[0])
    consumer.tend()
    assert told(namespace, topic, 0)
    consumer.close()


def test_closing_sends_the_last_acknowledgements_over_what_is_still_unread(namespace: Namespace) -> None:
    topic = namespace.topic("closing")
    naive = Naive(namespace.client, topic, batching_enabled=False)
    naive.send(numbered(1000))
    assert naive.says_ok()
    consumer = opened(namespace.service_url, topic)
    for message in taken(consumer, 1)[:1]:
        consumer.acknowledge(message)
    consumer.close()
    assert told(namespace, topic, 999)
    assert stats(namespace, topic)["consumers"] == []


def test_a_lost_connection_is_made_anew_and_what_was_unacknowledged_comes_again(
    namespace: Namespace, link: Link
) -> None:
    topic = namespace.topic("lost")
    naive = Naive(namespace.client, topic, batching_enabled=False)
    naive.send(numbered(100))
    assert naive.says_ok()
    consumer = opened(link.url, topic)
    messages = taken(consumer, 100)
    link.break_down()
    assert taken(consumer, 1, 0.5) == []
    # What is done meanwhile is told first of all.
    for message in messages[:40]:
        consumer.acknowledge(message)
    link.repair()
    again = taken(consumer, 60)
    assert sorted(m.data() for m in again) == sorted(m.data() for m in messages[40:])
    for message in again:
        consumer.acknowledge(message)
    consumer.tend()
    assert told(namespace, topic, 0)
    consumer.close()


def test_an_outage_is_waited_for(namespace: Namespace, link: Link) -> None:
    topic = namespace.topic("outage")
    consumer = opened(link.url, topic)
    link.break_down()
    assert taken(consumer, 1, 1.0) == []
    publish(namespace, topic, 5)
    link.repair()
    assert [m.data() for m in taken(consumer, 5, 15.0)] == numbered(5)
    consumer.close()


def test_a_topic_that_is_unloaded_is_found_again(namespace: Namespace) -> None:
    topic = namespace.topic("unloaded")
    consumer = opened(namespace.service_url, topic)
    namespace._admin.put(f"/admin/v2/{topic.replace('://', '/')}-partition-0/unload", None)
    publish(namespace, topic, 5)
    assert [m.data() for m in taken(consumer, 5, 15.0)] == numbered(5)
    consumer.close()


@pytest.mark.extended
def test_a_connection_outlasts_a_consumer_that_takes_nothing(namespace: Namespace) -> None:
    topic = namespace.topic("patient")
    publish(namespace, topic, 3)
    consumer = opened(namespace.service_url, topic)
    first = consumer._link
    # The broker closes whoever gives no sign of life for 60 s; ours are not to depend on reading.
    deadline = time.monotonic() + 70
    while time.monotonic() < deadline:
        consumer.tend()
        time.sleep(1)
    assert [m.data() for m in taken(consumer, 3)] == numbered(3)
    assert consumer._link is first
    consumer.close()


def test_few_large_messages_are_sent_ahead(namespace: Namespace) -> None:
    topic = namespace.topic("large")
    naive = Naive(namespace.client, topic, batching_enabled=False)
    naive.send([b"x" * 1_000_000] * 150)
    assert naive.says_ok()
    consumer = opened(namespace.service_url, topic)
    assert len(taken(consumer, 100)) >= 100
    assert consumer._permits <= 20
    consumer.close()


def test_nobody_there_and_no_such_topic_are_told_in_a_line(namespace: Namespace) -> None:
    nobody = Consumer(Endpoint("pulsar://127.0.0.1:1"), "persistent://a/b/c", SUBSCRIPTION)
    with pytest.raises(WireError, match=r"127\.0\.0\.1:1: Connection refused"):
        nobody.open()
    with pytest.raises(WireError, match="persistent://alpes/no-such/topic"):
        Reader(Endpoint(namespace.service_url), "persistent://alpes/no-such/topic")


def test_a_reader_reads_from_where_it_is_told_and_leaves_nothing_behind(namespace: Namespace) -> None:
    topic = namespace.topic("read")
    naive = Naive(namespace.client, topic, batching_enabled=False)
    naive.send(numbered(10))
    assert naive.says_ok()
    endpoint = Endpoint(namespace.service_url)
    reader = Reader(endpoint, f"{topic}-partition-0", EARLIEST)
    last, more = reader.last()
    assert more
    messages = [reader.read(5.0) for _ in range(10)]
    assert [m.data() for m in messages if m] == numbered(10)
    assert reader.seen[:2] == last[:2]
    assert reader.last() == (last, False)
    assert reader.read(0.2) is None
    middle = messages[4]
    assert middle is not None
    second = Reader(endpoint, f"{topic}-partition-0", middle.message_id())
    found = second.read(5.0)
    assert found is not None
    assert found.data() == middle.data()
    for each in (reader, second):
        each.close()
    path = topic.replace("://", "/")
    assert told_none(namespace, path)


def told_none(namespace: Namespace, path: str) -> bool:
    deadline = time.monotonic() + 5
    while namespace._admin.get(f"/admin/v2/{path}-partition-0/stats")["subscriptions"]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_reader_of_the_end_misses_nothing_over_a_lost_connection(namespace: Namespace, link: Link) -> None:
    topic = namespace.topic("tail")
    publish(namespace, topic, 3)
    reader = Reader(Endpoint(link.url), f"{topic}-partition-0", LATEST)
    link.cut()
    Publishing(namespace.client).publish(events(topic, [b"new"]))
    found = reader.read(10.0)
    assert found is not None
    assert found.data() == b"new"
    reader.close()


@pytest.mark.parametrize("cut", [False, True])
def test_a_reader_of_the_end_has_the_first_message_that_the_topic_ever_gets(
    namespace: Namespace, link: Link, cut: bool
) -> None:
    topic = namespace.topic("first")
    reader = Reader(Endpoint(link.url), f"{topic}-partition-0", LATEST)
    if cut:
        link.cut()
    publish(namespace, topic, 1)
    assert reader.read(10.0) is not None
    reader.close()


def test_an_empty_topic_has_nothing_to_read(namespace: Namespace) -> None:
    reader = Reader(Endpoint(namespace.service_url), f"{namespace.topic('empty')}-partition-0")
    assert reader.last()[1] is False
    assert reader.read(0.2) is None
    reader.close()


@pytest.mark.parametrize("number", [0, -1, 20_001, 2**31 - 1, -(2**31)])
def test_a_reader_reads_on_behind_an_entry_that_upsets_the_count_of_permits(namespace: Namespace, number: int) -> None:
    topic = f"{namespace.topic('upset')}-partition-0"
    producer = RawProducer(namespace.service_url, topic)
    # Two: what the broker reads at once and that has no message in all, as senders say, it sends nobody.
    producer.send_all([Raw(metadata(), b"a"), Raw(metadata(), b"a"), batch(b"x", count=number)])
    reader = Reader(Endpoint(namespace.service_url), topic, EARLIEST)
    read = [reader.read(5.0), reader.read(5.0)]
    while (more := reader.read(0.5)) is not None:
        read.append(more)
    assert read[0] is not None
    assert read[-1] is not None
    assert (read[0].data(), bool(read[-1].problem)) == (b"a", True)
    for n in range(3):
        producer.send(Raw(metadata(), b"%d" % n))
        behind = reader.read(5.0)
        assert behind is not None
        assert behind.data() == b"%d" % n
    reader.close()
    producer.close()
