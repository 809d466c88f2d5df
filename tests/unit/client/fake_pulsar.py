"""Topics in memory, as the client library and the admin API show them; what is published lies apart."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import pulsar

from client.errors import NotDeployedError
from client.topics import NAMESPACE, full_name


class Sent(NamedTuple):
    """A message that lies in a topic; a key of None is one that isn't UTF-8."""

    entry: int
    key: str | None = ""
    payload: bytes = b""
    own_properties: Mapping[str, str] | None = None
    ledger: int = 1
    batch: int = -1

    def message_id(self) -> pulsar.MessageId:
        return pulsar.MessageId(0, self.ledger, self.entry, self.batch)

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


class _Reader:
    def __init__(self, messages: Sequence[Sent]) -> None:
        self._left = list(messages)

    def has_message_available(self) -> bool:
        return bool(self._left)

    def read_next(self, _timeout_ms: int) -> Sent:
        return self._left.pop(0)

    def close(self) -> None:
        pass


class _Producer:
    def __init__(self, published: list[tuple[bytes, str | None]]) -> None:
        self._published = published

    def send_async(
        self, payload: bytes, answered: Callable[[Any, Any], None], _properties: Any, partition_key: str | None
    ) -> None:
        self._published.append((payload, partition_key))
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
        self.short_of = 0
        """How many of a topic's last messages a reader doesn't get."""
        self.published: dict[str, list[tuple[bytes, str | None]]] = {}

    def get_topic_partitions(self, topic: str) -> list[str]:
        return [f"{topic}-partition-0"]

    def create_reader(self, topic: str, start: pulsar.MessageId, **_options: Any) -> _Reader:
        self.opened.append(topic)
        if topic not in self.by_name:
            raise pulsar.TopicNotFound("no such topic")
        first = (start.ledger_id(), start.entry_id())
        there = self.by_name[topic][: len(self.by_name[topic]) - self.short_of]
        return _Reader([sent for sent in there if (sent.ledger, sent.entry) >= first])

    def create_producer(self, topic: str, **_options: Any) -> _Producer:
        if f"{topic}-partition-0" not in self.by_name:
            raise pulsar.TopicNotFound("no such topic")
        return _Producer(self.published.setdefault(topic.rsplit("/", 1)[-1], []))

    def topics(self) -> list[str]:
        return sorted(name.rsplit("/", 1)[-1].removesuffix("-partition-0") for name in self.by_name)

    def get(self, path: str) -> Any:
        name, _, what = path.removeprefix(f"/admin/v2/persistent/{NAMESPACE}/").partition("/")
        if what == "lastMessageId":
            messages = self.by_name[full_name(name)]
            return {"ledgerId": messages[-1].ledger, "entryId": messages[-1].entry} if messages else _NOTHING
        if f"{name}/{what}" not in self.answers:
            raise NotDeployedError(f"no {path}")
        return self.answers[f"{name}/{what}"]


_NOTHING = {"ledgerId": 1, "entryId": -1}
