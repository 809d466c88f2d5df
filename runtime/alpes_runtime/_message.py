"""A received message, and an event to publish."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, NamedTuple, Protocol, TypeVar

from alpes_wire.names import ATTEMPT, SOURCE_MESSAGE_ID

T = TypeVar("T")

MAX_EVENT_BYTES = 4_900_000
"""Most bytes of an event's payload, properties and key. The broker refuses messages over 5 MiB, metadata included."""


class PulsarMessage(Protocol):
    """What the runtime reads of a ``pulsar.Message``."""

    def data(self) -> bytes:
        """The payload."""
        ...

    def partition_key(self) -> str:
        """The message key, empty without one."""
        ...

    def properties(self) -> dict[str, str]:
        """The message's own properties."""
        ...

    def message_id(self) -> Any:
        """The client's message id."""
        ...

    def publish_timestamp(self) -> int:
        """When it was published, in Unix milliseconds."""
        ...


class Acknowledger(Protocol):
    """Acknowledges messages where they came from, such as a consumer."""

    def acknowledge(self, message: Any) -> None:
        """Tell the broker that the message is processed."""
        ...


class Received:
    """A message that was taken in and is not yet acknowledged.

    Key, properties and id are read only on access: most messages never need them.

    Parameters
    ----------
    role
        The local name of the topic that it first came from, such as ``signup``; it chooses the handler.
    source_topic
        Full name, without a partition, of the topic that the message first came from.
    message
        The client's message.
    acknowledger
        Acknowledges it.
    retried
        Whether it came through a retry topic; only then its properties say which attempt this is and where it came
        from.
    """

    __slots__ = ("_acknowledger", "_message", "answer", "data", "retried", "role", "source_topic")

    def __init__(
        self, role: str, source_topic: str, message: PulsarMessage, acknowledger: Acknowledger, *, retried: bool = False
    ) -> None:
        self.role = role
        self.source_topic = source_topic
        self.data: bytes = message.data()
        self.retried = retried
        self.answer: Any = None
        self._message = message
        self._acknowledger = acknowledger

    def answered(self, role: str, answer: Any) -> "Received":
        """Return the same message for the handler ``role``, with the answer of its external call."""
        same = copy(self)
        same.role = role
        same.answer = answer
        return same

    @property
    def key(self) -> str:
        """The message's key, empty if it has none or it isn't UTF-8."""
        return utf8_or("", self._message.partition_key)

    @property
    def properties(self) -> Mapping[str, str]:
        """The message's own properties, empty if they aren't UTF-8."""
        return properties_of(self._message)

    @property
    def source_message_id(self) -> str:
        """The message's id ``(ledger,entry,partition,batch)`` in the topic that it first came from."""
        if self.retried and SOURCE_MESSAGE_ID in self.properties:
            return self.properties[SOURCE_MESSAGE_ID]
        return str(self._message.message_id())

    @property
    def publish_time_ms(self) -> int:
        """When it was published, in Unix milliseconds."""
        return self._message.publish_timestamp()

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        text = self.properties.get(ATTEMPT, "") if self.retried else ""
        return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1

    @property
    def size(self) -> int:
        """The bytes of its payload, with key and properties if their size is known."""
        return int(getattr(self._message, "size", len(self.data)))

    @property
    def problem(self) -> str:
        """Why the message can't be read, empty if it can; `data` then has the bytes that are left, as stored."""
        problem: str = getattr(self._message, "problem", "")
        return problem

    def acknowledge(self) -> None:
        """Tell the broker that the message is processed."""
        self._acknowledger.acknowledge(self._message)


class Event(NamedTuple):
    """A message to publish.

    Attributes
    ----------
    topic
        Full name, without a partition.
    key
        Message key; also chooses the partition.
    payload
        Encoded content.
    properties
        Message properties. Each costs microseconds: a field that every event has belongs in its payload.
    delay_ms
        Deliver no earlier than this many milliseconds from now; 0 delivers immediately.
    traceparent
        W3C trace context, which becomes a property where the function's `trace_property` is on; empty for none.
    """

    topic: str
    key: str
    payload: bytes
    properties: Mapping[str, str] | None = None
    delay_ms: int = 0
    traceparent: str = ""

    def fits(self) -> bool:
        """Whether the broker accepts an event of this size; one that doesn't fit can never be published."""
        size = len(self.payload) + len(self.key.encode())
        if self.properties:
            size += sum(len(key.encode()) + len(value.encode()) for key, value in self.properties.items())
        return size <= MAX_EVENT_BYTES


def properties_of(message: PulsarMessage) -> Mapping[str, str]:
    """Return a message's properties, empty if they aren't UTF-8."""
    return utf8_or({}, message.properties)


def utf8_or(default: T, read: Callable[[], T]) -> T:
    """Return what ``read`` returns, or ``default`` if that is empty or isn't UTF-8."""
    try:
        return read() or default
    except UnicodeDecodeError:
        return default


def local_name(topic: str) -> str:
    """Return the topic's local name, such as ``signup`` for ``persistent://acme/web/signup-partition-0``."""
    return without_partition(topic).rsplit("/", 1)[-1]


def without_partition(topic: str) -> str:
    """Return the partitioned topic that ``topic`` is a partition of, or ``topic`` itself."""
    base, mark, number = topic.rpartition("-partition-")
    return base if mark and number.isdigit() else topic
