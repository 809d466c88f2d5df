"""Messages are published in groups, and of each it is said whether the broker has it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pulsar
import pytest

from connection import group_publishing
from connection.errors import NotPublishedError, UnconfirmedError
from connection.group_publishing import GroupPublisher


class Producer:
    """The library's producer, as its callbacks show it: entries end with a flush, and fail whole."""

    def __init__(self, broker: "Broker") -> None:
        self._broker = broker
        self._producer = self
        self._entry: list[bytes] = []
        self._callbacks: list[Callable[[Any, Any], None]] = []

    def is_connected(self) -> bool:
        return self._broker.there

    def send_async(self, payload: bytes, callback: Any, properties: Any, partition_key: str) -> None:
        self._entry.append(payload)
        if callback is not None:
            self._callbacks.append(callback)

    def flush_async(self, callback: Callable[..., None]) -> None:
        entry, callbacks = self._entry, self._callbacks
        self._entry, self._callbacks = [], []
        self._broker.take(entry, [*callbacks, callback])

    def close(self) -> None:
        self._broker.closed += 1


class Broker:
    def __init__(self) -> None:
        self.there = True
        self.result: Any = pulsar.Result.Ok
        self.entries: list[list[bytes]] = []
        self.held: list[Callable[[], None]] | None = None
        self.closed = 0
        self.opened = 0

    def get_topic_partitions(self, topic: str) -> list[str]:
        return [topic]

    def create_producer(self, _topic: str, **_options: Any) -> Producer:
        if not self.there:
            raise pulsar.ConnectError("away")
        self.opened += 1
        return Producer(self)

    def take(self, entry: list[bytes], callbacks: list[Callable[[Any, Any], None]]) -> None:
        result = self.result

        def answer() -> None:
            self.entries.append(entry)
            for callback in callbacks:
                callback(result, None)

        if self.held is None:
            answer()
        else:
            self.held.append(answer)


def run(scenario: Callable[[Broker, GroupPublisher], Coroutine[Any, Any, None]], most_waiting: int = 100) -> Broker:
    async def opened() -> Broker:
        broker = Broker()
        client: Any = broker
        async with GroupPublisher(client, "topic", most_waiting=most_waiting) as publisher:
            await scenario(broker, publisher)
        return broker

    return asyncio.run(opened())


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_publishing, "CONNECTION_S", 0.1)
    # A second is added for the library's own time limit to come first.
    monkeypatch.setattr(group_publishing, "CONFIRMATION_S", -0.9)


def test_what_comes_while_a_group_is_confirmed_is_the_next_group() -> None:
    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        group_publishing.CONFIRMATION_S = 10
        broker.held = []
        first = publisher.publish(b"0", "k", {})
        while not broker.held:  # noqa: ASYNC110 - the broker belongs to no loop
            await asyncio.sleep(0.01)
        later = [publisher.publish(b"%d" % n, "k", {}) for n in range(1, 4)]
        await asyncio.sleep(0.05)
        assert not first.done()
        held, broker.held = broker.held, None
        held[0]()
        await asyncio.gather(first, *later)

    assert run(scenario).entries == [[b"0"], [b"1", b"2", b"3"]]


@pytest.mark.parametrize(("size", "gathers"), [(group_publishing.LARGE, True), (group_publishing.LARGE - 1, False)])
def test_after_a_large_group_messages_gather_a_moment(
    monkeypatch: pytest.MonkeyPatch, size: int, *, gathers: bool
) -> None:
    monkeypatch.setattr(group_publishing, "GATHER_S", 10)
    monkeypatch.setattr(group_publishing, "CONFIRMATION_S", 10)

    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        broker.held = []
        group = [publisher.publish(b"group", "k", {}) for _ in range(size)]
        # They gather for half as long as this.
        await asyncio.sleep(0.4)
        held, broker.held = broker.held, None
        held[0]()
        await asyncio.gather(*group)
        first = publisher.publish(b"c", "k", {})
        await asyncio.sleep(0.02)
        await asyncio.gather(first, publisher.publish(b"d", "k", {}))

    assert run(scenario).entries[1:] == ([[b"c", b"d"]] if gathers else [[b"c"], [b"d"]])


def test_a_group_that_fails_fails_whole_and_the_next_one_goes_through_a_new_producer() -> None:
    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        broker.result = pulsar.Result.Timeout
        futures = [publisher.publish(b"a", "k", {}), publisher.publish(b"b", "k", {})]
        for found in await asyncio.gather(*futures, return_exceptions=True):
            assert isinstance(found, UnconfirmedError)
        broker.result = pulsar.Result.Ok
        await publisher.publish(b"c", "k", {})
        assert broker.opened == 2

    assert run(scenario).closed == 2


def test_nobody_knows_what_the_broker_has_if_it_says_nothing() -> None:
    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        broker.held = []
        with pytest.raises(UnconfirmedError, match="no confirmation"):
            await publisher.publish(b"a", "k", {})
        broker.held = None

    run(scenario)


def test_while_the_broker_is_away_nothing_is_published_and_it_goes_on_by_itself() -> None:
    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        broker.there = False
        with pytest.raises(NotPublishedError):
            await publisher.publish(b"a", "k", {})
        broker.there = True
        await publisher.publish(b"b", "k", {})
        broker.there = False
        with pytest.raises(NotPublishedError):
            await publisher.publish(b"c", "k", {})

    assert run(scenario).entries == [[b"b"]]


def test_only_so_many_wait() -> None:
    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        futures = [publisher.publish(b"a", "k", {}) for _ in range(2)]
        with pytest.raises(NotPublishedError, match="2 messages wait"):
            publisher.publish(b"b", "k", {})
        await asyncio.gather(*futures)

    run(scenario, most_waiting=2)


def test_whose_caller_has_gone_is_not_published_and_the_end_publishes_the_rest() -> None:
    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        publisher.publish(b"gone", "k", {}).cancel()
        publisher.publish(b"rest", "k", {})

    assert run(scenario).entries == [[b"rest"]]


def test_large_messages_are_cut_into_entries() -> None:
    async def scenario(broker: Broker, publisher: GroupPublisher) -> None:
        await asyncio.gather(*(publisher.publish(b"x" * 1_500_000, "k", {}) for _ in range(5)))

    assert [len(entry) for entry in run(scenario).entries] == [2, 2, 1]
