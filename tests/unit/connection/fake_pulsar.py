"""The simulation's Pulsar, as the client library and the admin API show it; no time passes."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pulsar

from alpes_runtime._message import without_partition
from alpes_wire import EARLIEST, MessageId
from connection.errors import NotFoundError
from schemas.tienda.topics import NAMESPACE, full_name
from tests.simulation.broker import Broker, Client, Key, Message, Producer, Reader
from tests.simulation.scheduler import Scheduler


def sent(
    entry: int,
    key: Key = "",
    payload: bytes = b"",
    properties: Mapping[str, str] | None = None,
    *,
    ledger: int = 1,
    batch: int = -1,
    due_ms: int = 0,
    published_ms: int = 0,
) -> Message:
    """Return a message that lies in a topic."""
    place, published_s = MessageId(ledger, entry, 0, batch), published_ms / 1000
    return Message("", place, payload, key, properties or {}, published_s, due_ms / 1000)


class _Producer(Producer):
    """Sends each message at once; the real producer waits for more."""

    def send_async(self, *message: Any, **more: Any) -> None:
        super().send_async(*message, **more)
        self.flush()


class FakePulsar(Client):
    """Client and admin API in one.

    Parameters
    ----------
    topics
        By short name: what lies there, in its order.
    answers
        What the admin API says beside, by path below the partition's or the topic's.
    plain
        Topics without partitions.
    """

    def __init__(
        self,
        topics: Mapping[str, Sequence[Message]],
        answers: Mapping[str, Any] | None = None,
        plain: Sequence[str] = (),
    ) -> None:
        super().__init__(Broker(Scheduler(Random(0)), Random(0)))
        self.lie = self.broker.topics
        self.lie.update({full_name(topic): list(messages) for topic, messages in topics.items()})
        self.answers = dict(answers or {})
        self.opened: list[str] = []
        self.short_of: list[int] = []
        """How many of a topic's last messages each of the first readers doesn't get."""
        self.connected = True
        self._given = {topic: len(messages) for topic, messages in self.lie.items()}
        self._plain = {full_name(topic) for topic in plain}

    @property
    def published(self) -> dict[str, list[tuple[bytes, Key]]]:
        """What has been published, with its key, by the topic's short name."""
        return {topic: [(each.payload, each.key) for each in new] for topic, new in self._published().items()}

    @property
    def properties(self) -> list[dict[str, str]]:
        """Properties of what has been published, topic by topic."""
        return [each.own for new in self._published().values() for each in new]

    def _published(self) -> dict[str, list[Message]]:
        new = {topic.rsplit("/", 1)[-1]: stored[self._given[topic] :] for topic, stored in self.lie.items()}
        return {topic: messages for topic, messages in new.items() if messages}

    def open_reader(self, partition: str, start: MessageId = EARLIEST) -> Reader:
        self.opened.append(partition)
        reader = super().open_reader(partition, start)
        reader.connected = self.connected
        for _ in range(self.short_of.pop(0) if self.short_of else 0):
            reader.left.pop()
        return reader

    def create_producer(self, topic: str, **_options: Any) -> Producer:
        if topic not in self.lie:
            raise pulsar.TopicNotFound("no such topic")
        return _Producer(self, topic)

    def topics(self) -> list[str]:
        return sorted(topic.rsplit("/", 1)[-1] for topic in self.lie)

    def get(self, path: str) -> Any:
        if path == f"/admin/v2/persistent/{NAMESPACE}":
            return sorted(topic if topic in self._plain else f"{topic}-partition-0" for topic in self.lie)
        name, _, what = path.removeprefix(f"/admin/v2/persistent/{NAMESPACE}/").partition("/")
        given = self.answers.get(f"{name}/{what}")
        stored = self.lie.get(without_partition(full_name(name)))
        if what == "internalStats" and stored is not None:
            last = f"{stored[-1].place.ledger}:{stored[-1].place.entry}" if stored else "1:-1"
            return {"lastConfirmedEntry": last, "cursors": {}} | (given or {})
        if given is None:
            raise NotFoundError(f"no {path}")
        return given

    find = get
