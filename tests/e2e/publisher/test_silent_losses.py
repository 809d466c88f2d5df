"""Each way in which ``flush()`` confirms a lost message: one test shows the trap, the next one how it is avoided.

If a test named `test_naive…` fails with a newer client, the trap is gone: delete the test. The one after it must pass
with every client.
"""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pulsar
import pytest

from alpes_runtime import _publisher as publisher_module
from alpes_runtime._message import Event
from alpes_runtime.errors import PublishFailed, Refused
from tests.e2e.publisher.broker import Namespace, client_of, eventually
from tests.e2e.publisher.link import Link
from tests.e2e.publisher.publishing import Counting, Naive, Publishing, events, numbered

TOO_BIG = b"x" * 6_000_000
SIX_KB = {"trace": "y" * 6000}


@pytest.fixture
def short_send_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher_module, "SEND_TIMEOUT_MS", 600)


# A message over the size limit.


def test_naive_a_message_over_the_limit_is_lost(namespace: Namespace, client: Any) -> None:
    topic = namespace.plain_topic("limit")
    naive = Naive(client, topic)
    naive.send([*numbered(4), TOO_BIG, *numbered(5, "n")])
    assert naive.says_ok()
    assert TOO_BIG not in namespace.payloads(topic)


@pytest.mark.parametrize("position", [0, 4, 9], ids=["first", "within", "last"])
def test_a_group_with_a_message_over_the_limit_is_not_confirmed(
    namespace: Namespace, client: Any, position: int
) -> None:
    topic = namespace.topic("limit")
    publishing = Publishing(client)
    group = numbered(9)
    for _ in range(2):
        with pytest.raises(PublishFailed):
            publishing.publish(events(topic, [*group[:position], TOO_BIG, *group[position:]]))
    publishing.publish(events(topic, group))
    assert set(namespace.payloads(topic)) == set(group)


# A batch that is too big through its properties, which the client doesn't count.


def test_naive_a_batch_too_big_through_its_properties_is_lost(namespace: Namespace, client: Any) -> None:
    topic = namespace.plain_topic("properties")
    naive = Naive(client, topic, batching_max_messages=1000)
    naive.send(numbered(1000), properties=SIX_KB)
    naive.send([b"last"])
    assert naive.says_ok()
    assert namespace.payloads(topic) == [b"last"]


@pytest.mark.parametrize("text", ["y" * 6000, "€" * 2000], ids=["ascii", "three bytes a character"])
def test_a_group_too_big_through_its_properties_is_stored(namespace: Namespace, client: Any, text: str) -> None:
    topic = namespace.topic("properties")
    Publishing(client).publish(events(topic, numbered(1000), properties={"trace": text}))
    stored = namespace.stored(topic)
    assert [message.data() for message in stored] == numbered(1000)
    assert all(message.properties() == {"trace": text} for message in stored)


# A batch that the broker refuses: damaged on its way, over a backlog quota, for a terminated topic.


def damage(data: bytes) -> bytes:
    return data.replace(b"DAMAGE-ME", b"DAMAGED!!")


def test_naive_a_batch_refused_for_its_checksum_is_lost(namespace: Namespace, link: Link, linked_client: Any) -> None:
    topic = namespace.plain_topic("checksum")
    naive = Naive(linked_client, topic)
    link.tamper = damage
    # The refused batch must be the first one: after any other, the client ends the process (SIGSEGV).
    naive.send([b"DAMAGE-ME", *numbered(99)])
    assert naive.says_ok()
    assert len(namespace.payloads(topic)) == 90


def test_a_batch_refused_for_its_checksum_is_published_again(
    namespace: Namespace, link: Link, linked_client: Any
) -> None:
    topic = namespace.topic("checksum")
    publishing = Publishing(linked_client)
    link.tamper = damage
    group = [*numbered(15), b"DAMAGE-ME", *numbered(84, "n")]
    with pytest.raises(PublishFailed, match="Checksum"):
        publishing.publish(events(topic, group))
    assert namespace.payloads(topic) == []
    link.repair()
    publishing.publish_persistently(events(topic, group))
    assert set(namespace.payloads(topic)) == set(group)


def over_its_quota(namespace: Namespace, link: Link, topic: str, send: Callable[[], None]) -> None:
    """Let the broker refuse a producer whose messages are sent but not delivered yet."""
    partition = namespace.partitions(topic)[0]
    namespace.client.subscribe(partition, "behind", initial_position=pulsar.InitialPosition.Earliest).close()
    link.stall()
    send()
    namespace.limit_backlog(1_000_000)
    link.cut()
    link.resume()


def test_naive_what_a_backlog_quota_refuses_is_lost(namespace: Namespace, link: Link, linked_client: Any) -> None:
    topic = namespace.plain_topic("quota")
    naive = Naive(linked_client, topic)
    naive.send([b"x" * 3_000_000])
    assert naive.says_ok()
    try:
        over_its_quota(namespace, link, topic, lambda: naive.send(numbered(100)))
        time.sleep(1.0)
    finally:
        namespace.lift_backlog_limit()
    eventually(naive.producer.is_connected, "the producer is back")
    naive.send(numbered(5, "n"))
    assert naive.says_ok()
    assert len(namespace.payloads(topic)) == 6


def test_what_a_backlog_quota_refuses_is_published_again(
    namespace: Namespace, link: Link, linked_client: Any, short_send_timeout: None
) -> None:
    topic = namespace.topic("quota")
    publishing = Publishing(linked_client)
    publishing.publish(events(topic, [b"x" * 3_000_000]))
    failed: list[Exception] = []

    def publish() -> None:
        try:
            publishing.publish(events(topic, numbered(100)))
        except PublishFailed as error:
            failed.append(error)

    caller = threading.Thread(target=publish)
    try:
        over_its_quota(namespace, link, topic, caller.start)
        caller.join(10)
        assert failed
        with pytest.raises(PublishFailed):
            publishing.publish(events(topic, numbered(100)))
    finally:
        namespace.lift_backlog_limit()
    publishing.publish_persistently(events(topic, numbered(100)))
    assert set(numbered(100)) <= set(namespace.payloads(topic))


def test_a_terminated_topic_is_never_confirmed(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("terminated")
    publishing = Publishing(client)
    publishing.publish(events(topic, numbered(10)))
    namespace.terminate(namespace.partitions(topic)[0])
    for _ in range(3):
        with pytest.raises(PublishFailed):
            publishing.publish(events(topic, numbered(10, "n")))
    assert namespace.payloads(topic) == numbered(10)


# A full queue.


def test_naive_what_a_full_queue_does_not_take_is_lost(namespace: Namespace, client: Any) -> None:
    topic = namespace.plain_topic("queue")
    naive = Naive(client, topic, max_pending_messages=10, batching_max_messages=1000, block_if_queue_full=False)
    naive.send(numbered(100))
    assert naive.says_ok()
    assert 10 <= len(namespace.payloads(topic)) < 100


def test_a_group_larger_than_the_queue_is_stored(
    namespace: Namespace, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "MAX_ENTRY_MESSAGES", 50)
    topic = namespace.topic("queue")
    Publishing(client).publish(events(topic, numbered(1000)))
    assert namespace.payloads(topic) == numbered(1000)


# An expired send timeout: the broker hangs, and dies before it has stored what it took.


def test_naive_what_expires_is_lost(namespace: Namespace, link: Link, linked_client: Any) -> None:
    topic = namespace.plain_topic("expired")
    naive = Naive(linked_client, topic, send_timeout_millis=400)
    naive.send([b"first"])
    assert naive.says_ok()
    link.stall()
    naive.send(numbered(100))
    time.sleep(1.0)
    link.cut()
    eventually(lambda: not naive.producer.is_connected(), "the client notices")
    link.resume()
    eventually(naive.producer.is_connected, "the producer is back")
    naive.send(numbered(5, "n"))
    assert naive.says_ok()
    assert set(namespace.payloads(topic)) == {b"first", *numbered(5, "n")}


def test_what_expires_is_published_again(
    namespace: Namespace, link: Link, linked_client: Any, short_send_timeout: None
) -> None:
    topic = namespace.topic("expired")
    publishing = Publishing(linked_client)
    publishing.publish(events(topic, [b"first"]))
    link.stall()
    with pytest.raises(PublishFailed):
        publishing.publish(events(topic, numbered(100)))
    link.cut()
    link.resume()
    publishing.publish_persistently(events(topic, numbered(100)))
    assert Counter(namespace.payloads(topic)) == Counter([b"first", *numbered(100)])


# A partitioned producer with one partition that takes nothing.


def test_naive_flush_of_a_partitioned_producer_says_what_the_last_partition_said(
    namespace: Namespace, client: Any
) -> None:
    topic = namespace.topic("partitions", partitions=2)
    naive = Naive(client, topic)
    namespace.terminate(namespace.partitions(topic)[0])
    confirmed = 0
    for _ in range(20):
        for payload in numbered(50):
            naive.send([payload], partition_key=payload.decode())
        confirmed += 50 * naive.says_ok()
    assert len(namespace.payloads(topic)) < confirmed


def test_a_group_for_a_partition_that_takes_nothing_is_never_confirmed(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("partitions", partitions=2)
    publishing = Publishing(client)
    publishing.publish(events(topic, numbered(50)))
    before = Counter(message.partition_key() for message in namespace.stored(namespace.partitions(topic)[1]))
    assert 0 < before.total() < 50
    namespace.terminate(namespace.partitions(topic)[0])
    for _ in range(10):
        with pytest.raises(PublishFailed):
            publishing.publish(events(topic, numbered(50)))
    living = [payload.decode() for payload in numbered(50) if payload.decode() in before]
    publishing.publish([Event(topic, key, b"again") for key in living])
    assert namespace.payloads(topic).count(b"again") == len(living)


# A second caller during a flush.


def test_naive_a_second_caller_is_told_ok_for_what_was_never_sent(
    namespace: Namespace, link: Link, linked_client: Any
) -> None:
    topic = namespace.topic("second", partitions=2)
    naive = Naive(linked_client, topic, batching_max_messages=1000)
    link.stall()
    naive.send(numbered(10))
    first = threading.Thread(target=naive.says_ok)
    first.start()
    time.sleep(0.2)
    naive.send(numbered(100, "second"))
    threading.Timer(0.2, link.resume).start()
    assert naive.says_ok()
    assert len(namespace.payloads(topic)) == 10
    first.join()


def test_a_second_caller_during_a_flush_is_refused(namespace: Namespace, link: Link, linked_client: Any) -> None:
    topic = namespace.topic("second")
    publishing = Publishing(linked_client)
    publishing.publish(events(topic, [b"before"]))
    link.stall()
    first = threading.Thread(target=publishing.publish, args=[events(topic, numbered(10))])
    first.start()
    time.sleep(0.2)
    with pytest.raises(PublishFailed, match="another thread"):
        publishing.publish(events(topic, numbered(100, "second")))
    link.resume()
    first.join()
    publishing.publish(events(topic, numbered(100, "second")))
    assert Counter(namespace.payloads(topic)) == Counter([b"before", *numbered(10), *numbered(100, "second")])


# A producer that is closed or fenced. Here flush reports it, so the naive way suffices; the publisher must recover too.


@contextlib.contextmanager
def usurper_of(namespace: Namespace, topic: str) -> Iterator[None]:
    """Let another client's producer take a topic for itself."""
    # It needs a connection of its own: on a shared one, the fenced producer sometimes takes the topic back.
    client = client_of(namespace.service_url)
    client.create_producer(topic, access_mode=pulsar.ProducerAccessMode.ExclusiveWithFencing)
    try:
        yield
    finally:
        client.close()


def test_naive_a_closed_terminated_or_fenced_producer_is_no_silent_loss(namespace: Namespace, client: Any) -> None:
    closed = Naive(client, namespace.plain_topic("closed"))
    closed.producer.close()
    terminated_topic = namespace.plain_topic("terminated")
    terminated = Naive(client, terminated_topic)
    namespace.terminate(terminated_topic)
    fenced_topic = namespace.plain_topic("fenced")
    fenced = Naive(client, fenced_topic, send_timeout_millis=400)
    with usurper_of(namespace, fenced_topic):
        for naive in (closed, terminated, fenced):
            naive.send(numbered(10))
            assert not naive.says_ok()


def test_a_closed_producer_is_replaced(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("closed")
    publishing = Publishing(client)
    publishing.publish(events(topic, numbered(10)))
    publishing.publisher._partitions[topic][0]._producer.close()
    with pytest.raises(PublishFailed, match="AlreadyClosed"):
        publishing.publish(events(topic, numbered(10, "n")))
    publishing.publish(events(topic, numbered(10, "n")))
    assert namespace.payloads(topic) == [*numbered(10), *numbered(10, "n")]


def test_a_fenced_producer_is_replaced(namespace: Namespace, client: Any, short_send_timeout: None) -> None:
    topic = namespace.topic("fenced")
    publishing = Publishing(client)
    publishing.publish(events(topic, numbered(10)))
    with usurper_of(namespace, namespace.partitions(topic)[0]):
        for _ in range(2):
            with pytest.raises(PublishFailed):
                publishing.publish(events(topic, numbered(10, "n")))
    publishing.publish_persistently(events(topic, numbered(10, "n")))
    assert namespace.payloads(topic) == [*numbered(10), *numbered(10, "n")]


# A failed batch never gives its room in the queue back.


def test_naive_a_failed_batch_keeps_its_room_for_ever(namespace: Namespace, client: Any) -> None:
    topic = namespace.plain_topic("room")
    naive = Naive(
        client, topic, max_pending_messages=1000, batching_max_messages=2000, block_if_queue_full=False
    )  # with True it would hang
    naive.send(numbered(1000), properties=SIX_KB)
    naive.says_ok()
    for _ in range(3):
        naive.send(numbered(10))
        assert naive.says_ok()
    assert namespace.payloads(topic) == []


def test_after_a_failed_batch_a_new_producer_is_used(
    namespace: Namespace, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The bound on entries is too generous, so that batches fail that must not.
    monkeypatch.setattr(publisher_module, "MAX_ENTRY_BYTES", 100_000_000)
    monkeypatch.setattr(publisher_module, "MAX_ENTRY_MESSAGES", 100)
    topic = namespace.topic("room")
    counting = Counting(client)
    publishing = Publishing(counting)
    for letter in "abc":
        publishing.publish(events(topic, numbered(100, letter), properties={"trace": "y" * 60_000}))
    publishing.publish(events(topic, numbered(100, "n")))
    assert counting.producers == 2
    assert Counter(namespace.payloads(topic)) == Counter([p for letter in "abcn" for p in numbered(100, letter)])


# A reconnect in the middle.


def test_naive_what_expires_during_a_reconnect_is_lost(namespace: Namespace, link: Link, linked_client: Any) -> None:
    topic = namespace.plain_topic("reconnect")
    naive = Naive(linked_client, topic, send_timeout_millis=400)
    naive.send([b"first"])
    assert naive.says_ok()
    link.break_down()
    naive.send(numbered(100))
    time.sleep(1.0)
    link.repair()
    eventually(naive.producer.is_connected, "the producer is back")
    naive.send(numbered(5, "n"))
    assert naive.says_ok()
    assert set(namespace.payloads(topic)) == {b"first", *numbered(5, "n")}


def test_all_is_stored_through_reconnects(
    namespace: Namespace, link: Link, linked_client: Any, short_send_timeout: None
) -> None:
    topic = namespace.topic("reconnect", partitions=2)
    publishing = Publishing(linked_client)

    def sabotage() -> None:
        for _ in range(6):
            time.sleep(0.25)
            link.cut()

    saboteur = threading.Thread(target=sabotage)
    saboteur.start()
    sent: list[bytes] = []
    while saboteur.is_alive():
        group = numbered(200, f"{len(sent)}-")
        publishing.publish_persistently(events(topic, group))
        sent += group
    saboteur.join()
    assert sent
    assert set(sent) == set(namespace.payloads(topic))


def test_while_the_broker_is_away_nothing_is_confirmed(
    namespace: Namespace, link: Link, linked_client: Any, short_send_timeout: None
) -> None:
    topic = namespace.topic("away")
    publishing = Publishing(linked_client)
    link.break_down()
    began = time.monotonic()
    with pytest.raises(PublishFailed):
        publishing.publish(events(topic, numbered(10)))
    assert time.monotonic() - began < 10
    link.repair()
    publishing.publish_persistently(events(topic, numbered(10)))
    assert set(namespace.payloads(topic)) == set(numbered(10))


# An entry over the topic's own limit: the broker breaks the connection on it, again and again.


@pytest.fixture
def own_client(namespace: Namespace) -> Iterator[Any]:
    """Return a client that shares its connection with no other producers."""
    client = client_of(namespace.service_url)
    yield client
    client.close()


def test_naive_flush_never_returns_from_an_entry_over_the_topics_limit(namespace: Namespace, own_client: Any) -> None:
    topic = namespace.topic("size")
    namespace.limit_entries(topic, 10_000)
    naive = Naive(own_client, namespace.partitions(topic)[0], batching_max_messages=2000, send_timeout_millis=2000)
    naive.send([b"x" * 100] * 1000)
    flusher = threading.Thread(target=naive.says_ok, daemon=True)
    flusher.start()
    flusher.join(8)
    assert flusher.is_alive()
    naive.producer.close()
    flusher.join(30)
    assert not flusher.is_alive()


def test_a_group_over_the_topics_limit_is_stored_in_smaller_entries(namespace: Namespace, own_client: Any) -> None:
    topic = namespace.topic("size")
    client = Counting(own_client)
    publishing = Publishing(client)
    namespace.limit_entries(topic, 10_000)
    publishing.publish(events(topic, numbered(1000), properties={"trace": "y" * 50}))
    assert Counter(namespace.payloads(topic)) == Counter(numbered(1000))
    # Found once, the bound is kept for a while.
    producers = client.producers
    publishing.publish(events(topic, numbered(1000, "n"), properties={"trace": "y" * 50}))
    assert client.producers == producers
    assert set(namespace.payloads(topic)) == {*numbered(1000), *numbered(1000, "n")}


@pytest.mark.parametrize("delay_ms", [0, 5])
def test_an_event_over_the_topics_limit_is_named_and_goes_through_once_that_is_lifted(
    namespace: Namespace, own_client: Any, monkeypatch: pytest.MonkeyPatch, delay_ms: int
) -> None:
    monkeypatch.setattr(publisher_module, "BOUND_KEPT_S", 0.5)
    topic = namespace.topic("size")
    publishing = Publishing(own_client)
    namespace.limit_entries(topic, 10_000)
    large = b"x" * 20_000
    group = events(topic, [*numbered(200), large, *numbered(200, "n")], delay_ms=delay_ms)
    with pytest.raises(Refused) as refused:
        publishing.publish(group)
    assert [event.payload for event in refused.value.events] == [large]
    assert set(namespace.payloads(topic)) == {*numbered(200), *numbered(200, "n")}
    namespace.lift_entry_limit(topic)
    time.sleep(0.5)
    publishing.publish(refused.value.events)
    assert large in namespace.payloads(topic)
