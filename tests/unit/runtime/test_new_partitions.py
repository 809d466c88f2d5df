"""An instance takes messages also from partitions that its inputs are given while it runs."""

from types import SimpleNamespace
from typing import Any

import pytest

from alpes_runtime._inbox import Inbox
from alpes_runtime._intake import DirectIntakes, Inputs
from alpes_runtime._watchdog import Watchdog, Worker
from alpes_runtime.testing import FakeClock
from tests.unit.runtime.parts import OTHER, TOPIC, instance_context


class Broker:
    """Knows the partitions of each topic, and refuses consumers while it is away."""

    def __init__(self) -> None:
        self.partitions = {TOPIC: 1, OTHER: 1}
        self.away = False
        self.opened: list[str] = []

    def get_topic_partitions(self, topic: str) -> list[str]:
        return [f"{topic}-partition-{n}" for n in range(self.partitions[topic])]

    def open(self, partition: str) -> Any:
        if self.away:
            raise ConnectionError("away")
        self.opened.append(partition)
        return SimpleNamespace(close=lambda: self.opened.remove(partition))


def intakes(broker: Broker, inputs: int = 2) -> DirectIntakes:
    context = instance_context()
    host: Any = context.host
    host.inputs, host.client, host.runtime_consumers = ([TOPIC, OTHER] * inputs)[:inputs], broker, {}
    return DirectIntakes(context, Inputs(host.inputs, None), Inbox(["a"], 10), broker.open)


def test_a_new_partition_is_opened_once() -> None:
    broker = Broker()
    under_test = intakes(broker)
    assert len(under_test.open()) == 2
    assert not under_test.open_new()
    broker.partitions[OTHER] = 3
    assert len(under_test.open_new()) == 2
    assert not under_test.open_new()
    assert broker.opened[2:] == [f"{OTHER}-partition-1", f"{OTHER}-partition-2"]
    under_test.close()
    assert not broker.opened


def test_what_could_not_be_opened_is_tried_at_the_next_look() -> None:
    broker = Broker()
    under_test = intakes(broker)
    under_test.open()
    broker.partitions[TOPIC], broker.away = 2, True
    assert not under_test.open_new()
    broker.away = False
    assert len(under_test.open_new()) == 1


def test_looking_for_partitions_of_a_broker_that_is_away_is_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, clock, troubles = Broker(), FakeClock(), list[str]()
    under_test = intakes(broker, inputs=9)

    def tries_to_connect(_topic: str) -> list[str]:
        clock.now += 30
        troubles.append(worker.trouble(clock.monotonic()))
        raise ConnectionError("away")

    monkeypatch.setattr(broker, "get_topic_partitions", tries_to_connect)
    worker = Worker("partitions", under_test.open_new, lambda: bool(troubles), clock)
    worker.start()
    worker.join()
    assert worker.error is None
    assert troubles == [""] * 9


def test_a_worker_that_joins_later_is_watched_like_the_others() -> None:
    context = instance_context()
    ended: list[str] = []
    watchdog = Watchdog([], ended.append, context.clock, context.stopping)
    watchdog.check()
    assert not ended
    joined = Worker("intake 7", lambda: None, lambda: True, context.clock)
    joined.error = ValueError("broken")
    watchdog.add(joined)
    watchdog.check()
    assert ended == ["thread intake 7 died: ValueError: broken"]
