"""Topics in memory, as the client library and the admin API show them; what is published lies apart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pulsar

from alpes_wire import EARLIEST, MessageId, WireError
from alpes_wire.message import Entry
from connection.errors import NotFoundError
from schemas.tienda.topics import NAMESPACE, full_name


class Sent(NamedTuple):
    """A message that lies in a topic; a key of None is one that isn't UTF-8."""

    entry: int
    key: str | None = ""
    payload: bytes = b""
    own_properties: Mapping[str, str] | None = None
    ledger: int = 1
    batch: int = -1
    due: int = 0

    def message_id(self) -> MessageId:
        return MessageId(self.ledger, self.entry, 0, self.batch)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return (Entry(self.message_id(), None, self.payload),)

    def partition_key(self) -> str:
        if self.key is None:
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
        return self.key

    def data(self) -> bytes:
        return self.payload

    def properties(self) -> dict[str, str]:
        return dict(self.own_properties or {})

    def publish_timestamp(self) -> int:
        return 0

    def deliver_at(self) -> int:
        return self.due


class _Reader:
    def __init__(self, messages: Sequence[Sent], *, connected: bool) -> None:
        self.connected = connected
        self._left = list(messages)
        self.seen = MessageId(-1, -1)

    def read(self, _seconds: float) -> Sent | None:
        if not self._left:
            return None
        message = self._left.pop(0)
        self.seen = message.message_id()
        return message

    def rest(self) -> Sequence[Sent]:
        """Whatever is left of the entry that was seen last."""
        return [message for message in self._left if message.message_id()[:2] == self.seen[:2]]

    def close(self) -> None:
        pass


class _Producer:
    def __init__(self, published: list[tuple[bytes, str | None]], properties: list[dict[str, str]]) -> None:
        self._published = published
        self._properties = properties

    def send_async(
        self, payload: bytes, answered: Callable[[Any, Any], None], properties: Any, partition_key: str | None
    ) -> None:
        self._published.append((payload, partition_key))
        self._properties.append(properties)
        answered(pulsar.Result.Ok, None)

    def close(self) -> None:
        pass


class FakePulsar:
    """Client and admin API in one, of topics with one partition each.

    Parameters
    ----------
    topics
        By short name: what lies there, in its order.
    answers
        What the admin API says beside, by path below the partition's or the topic's.
    """

    def __init__(self, topics: Mapping[str, Sequence[Sent]], answers: Mapping[str, Any] | None = None) -> None:
        self.by_name = {f"{full_name(topic)}-partition-0": messages for topic, messages in topics.items()}
        self.answers = dict(answers or {})
        self.opened: list[str] = []
        self.short_of: list[int] = []
        """How many of a topic's last messages each reader doesn't get, the first ones to be opened."""
        self.connected = True
        self.published: dict[str, list[tuple[bytes, str | None]]] = {}
        self.properties: list[dict[str, str]] = []
        """Of what is published, in its order."""

    def get_topic_partitions(self, topic: str) -> list[str]:
        return [f"{topic}-partition-0"]

    def open_reader(self, topic: str, start: MessageId = EARLIEST) -> _Reader:
        self.opened.append(topic)
        if topic not in self.by_name:
            raise WireError("no such topic")
        first = (0, 0) if start == EARLIEST else start[:2]
        short_of = self.short_of.pop(0) if self.short_of else 0
        there = self.by_name[topic][: len(self.by_name[topic]) - short_of]
        return _Reader([sent for sent in there if (sent.ledger, sent.entry) >= first], connected=self.connected)

    def create_producer(self, topic: str, **_options: Any) -> _Producer:
        if f"{topic}-partition-0" not in self.by_name:
            raise pulsar.TopicNotFound("no such topic")
        return _Producer(self.published.setdefault(topic.rsplit("/", 1)[-1], []), self.properties)

    def topics(self) -> list[str]:
        return sorted(name.rsplit("/", 1)[-1].removesuffix("-partition-0") for name in self.by_name)

    def get(self, path: str) -> Any:
        if path == f"/admin/v2/persistent/{NAMESPACE}":
            return sorted(self.by_name)
        name, _, what = path.removeprefix(f"/admin/v2/persistent/{NAMESPACE}/").partition("/")
        given = self.answers.get(f"{name}/{what}")
        if what == "internalStats" and full_name(name) in self.by_name:
            messages = self.by_name[full_name(name)]
            last = f"{messages[-1].ledger}:{messages[-1].entry}" if messages else "1:-1"
            return {"lastConfirmedEntry": last, "cursors": {}} | (given or {})
        if given is None:
            raise NotFoundError(f"no {path}")
        return given

    find = get
