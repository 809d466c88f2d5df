"""The direct intake on the real broker."""

import time
from typing import Any

import pytest

from alpes_runtime._context import InstanceContext
from alpes_runtime._inbox import Inbox
from alpes_runtime._intake import DirectIntake, Inputs
from alpes_runtime._message import Received, local_name
from alpes_runtime.config import FunctionConfig
from alpes_runtime.testing import FakeHost
from alpes_wire import Consumer, Endpoint
from tests.e2e.publisher.broker import Namespace
from tests.e2e.publisher.publishing import Naive, Publishing, events, numbered

pytestmark = pytest.mark.core

SUBSCRIPTION = "pruebas"
MOST = 500


class Intake:
    """A direct intake of one topic, its inbox, and whoever takes from that."""

    def __init__(self, namespace: Namespace, topic: str, capacity: int = 100_000) -> None:
        self._role = local_name(topic)
        self.inbox = Inbox([self._role], capacity)
        consumer = Consumer(Endpoint(namespace.service_url), namespace.partitions(topic)[0], SUBSCRIPTION)
        consumer.open()
        context = InstanceContext(FakeHost(inputs=[topic]), FunctionConfig(dsn_env="NONE", batch_max=MOST))
        self.direct = DirectIntake(context, consumer, topic, Inputs([topic], ""), self.inbox)

    def taken(self, most: int = 1_000_000) -> list[Received]:
        """Return what is in the inbox."""
        return self.inbox.take(most, 0)

    def drain(self, count: int) -> list[Received]:
        """Step until that many came, or nothing more does in 2 s."""
        messages: list[Received] = []
        last = time.monotonic()
        while len(messages) < count and time.monotonic() - last < 2:
            if self.direct.poll(0.5):
                last = time.monotonic()
            group = self.taken()
            assert len(group) <= MOST
            messages += group
        return messages


def test_a_backlog_is_drained(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("drained")
    Publishing(client).publish(events(topic, numbered(5000)))
    intake = Intake(namespace, topic)
    assert [message.data for message in intake.drain(5000)] == numbered(5000)
    intake.direct.close()


def test_an_idle_topic_is_waited_for_no_longer_than_asked(namespace: Namespace, client: Any) -> None:
    intake = Intake(namespace, namespace.topic("idle"))
    # What the broker says of the subscription comes first, and ends a wait.
    assert not any(intake.direct.poll(0.3) for _ in range(3))
    began = time.monotonic()
    assert not intake.direct.poll(0.3)
    assert 0.25 < time.monotonic() - began < 2
    intake.direct.close()


def test_a_full_inbox_holds_the_group_back_and_loses_none(namespace: Namespace, client: Any) -> None:
    topic = namespace.topic("full")
    Publishing(client).publish(events(topic, numbered(1000)))
    intake = Intake(namespace, topic, capacity=1)
    assert any(intake.direct.poll(1.0) for _ in range(5))
    assert not intake.direct.poll(0.1)
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
    first = Intake(namespace, topic)
    for message in first.drain(100)[:40]:
        message.acknowledge()
    first.direct.close()
    second = Intake(namespace, topic)
    assert sorted(message.data for message in second.drain(60)) == sorted(numbered(100)[40:])
    second.direct.close()
