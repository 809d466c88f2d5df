"""The direct intake on the real client and broker."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

import pulsar
import pytest

from functions.alpes_runtime.inbox import Inbox
from functions.alpes_runtime.intake import DirectIntake, Inputs
from functions.alpes_runtime.message import Received, local_name
from functions.alpes_runtime.turn import Turn
from tests.e2e.publisher.broker import Namespace, client_of
from tests.e2e.publisher.publishing import Naive, Publishing, events, numbered

SUBSCRIPTION = "pruebas"
MOST = 500


class Intake:
    """A direct intake of one topic, its inbox, and whoever takes from that."""

    def __init__(self, namespace: Namespace, client: Any, topic: str, capacity: int = 100_000) -> None:
        self._role = local_name(topic)
        self.inbox = Inbox([self._role], capacity)
        consumer = client.subscribe(
            namespace.partitions(topic)[0],
            SUBSCRIPTION,
            consumer_type=pulsar.ConsumerType.Shared,
            initial_position=pulsar.InitialPosition.Earliest,
        )
        self.direct = DirectIntake(consumer, topic, Inputs([topic], ""), self.inbox, Turn(), MOST)

    def taken(self, most: int = 1_000_000) -> list[Received]:
        """Return what is in the inbox."""
        return self.inbox.take(most, 0)

    def drain(self, count: int) -> list[Received]:
        """Step until that many came, or nothing more does."""
        messages: list[Received] = []
        while len(messages) < count and self.direct.step(2.0):
            group = self.taken()
            assert len(group) <= MOST
            messages += group
        return messages


@pytest.fixture
def stuck_client(namespace: Namespace) -> Iterator[Any]:
    """Return a client whose one listener thread is stuck, as the runtime's is while ``process`` runs."""
    client = client_of(namespace.service_url)
    topic = namespace.topic("stuck")
    Publishing(client).publish(events(topic, numbered(1)))
    stuck, release = threading.Event(), threading.Event()

    def listen(_consumer: Any, _message: Any) -> None:
        stuck.set()
        release.wait(30)

    client.subscribe(topic, "runtime", message_listener=listen, initial_position=pulsar.InitialPosition.Earliest)
    assert stuck.wait(10)
    yield client
    release.set()
    client.close()


def test_a_backlog_is_drained(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("drained")
    Publishing(client).publish(events(topic, numbered(5000)))
    intake = Intake(namespace, client, topic)
    assert [message.data for message in intake.drain(5000)] == numbered(5000)
    intake.direct.close()


def test_an_idle_topic_is_waited_for_no_longer_than_asked(namespace: Namespace, client: Any) -> None:
    intake = Intake(namespace, client, namespace.topic("idle"))
    began = time.monotonic()
    assert not intake.direct.step(0.3)
    assert 0.25 < time.monotonic() - began < 2
    intake.direct.close()


def test_a_full_inbox_holds_the_group_back_and_loses_none(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("full")
    Publishing(client).publish(events(topic, numbered(1000)))
    intake = Intake(namespace, client, topic, capacity=1)
    assert intake.direct.step(2.0)
    assert not intake.direct.step(0.1)
    messages = intake.taken()
    messages += intake.drain(1000 - len(messages))
    assert [message.data for message in messages] == numbered(1000)
    intake.direct.close()


def test_what_was_not_acknowledged_comes_again_after_close(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("again")
    # Entries of one message each: one that is acknowledged in part would come again whole.
    naive = Naive(client, topic, batching_enabled=False)
    naive.send(numbered(100))
    assert naive.says_ok()
    first = Intake(namespace, client, topic)
    for message in first.drain(100)[:40]:
        message.acknowledge()
    first.direct.close()
    second = Intake(namespace, client, topic)
    assert sorted(message.data for message in second.drain(60)) == sorted(numbered(100)[40:])
    second.direct.close()


@pytest.mark.parametrize("method", ["receive", "batch_receive"])
def test_naive_receiving_without_a_timeout_hangs_behind_a_stuck_listener(
    namespace: Namespace, stuck_client: Any, method: str
) -> None:
    topic = namespace.topic("hangs")
    consumer = stuck_client.subscribe(topic, SUBSCRIPTION, initial_position=pulsar.InitialPosition.Earliest)
    received = threading.Event()

    def receive() -> None:
        # Closing the client ends it at last.
        with contextlib.suppress(Exception):
            getattr(consumer, method)()
        received.set()

    threading.Thread(target=receive, daemon=True).start()
    time.sleep(0.2)
    Publishing(namespace.client).publish(events(topic, numbered(500)))
    assert not received.wait(1.5)


def test_a_backlog_is_drained_behind_a_stuck_listener(namespace: Namespace, stuck_client: Any) -> None:
    topic = namespace.topic("immune")
    Publishing(namespace.client).publish(events(topic, numbered(5000)))
    intake = Intake(namespace, stuck_client, topic)
    assert [message.data for message in intake.drain(5000)] == numbered(5000)
    intake.direct.close()
