"""A message as it came in, readable or not."""

from typing import Any, NamedTuple

MOST_PERMITS = 20_000
"""What says that it has more messages costs more permits than can be given back: the consumer opens anew behind it."""


class MessageId(NamedTuple):
    """Where a message lies; a later one of the same partition compares as higher.

    Attributes
    ----------
    ledger, entry
        The entry that holds it.
    number
        That of the topic's partition, -1 where it has none.
    place
        Its place in the entry, -1 where the entry is the message.
    """

    ledger: int
    entry: int
    number: int = -1
    place: int = -1

    def ledger_id(self) -> int:
        """The ledger, by the client library's name for it."""
        return self.ledger

    def entry_id(self) -> int:
        """The entry, by the client library's name for it."""
        return self.entry

    def partition(self) -> int:
        """The number of the partition, by the client library's name for it."""
        return self.number

    def batch_index(self) -> int:
        """The place in the entry, by the client library's name for it."""
        return self.place

    def __str__(self) -> str:
        return f"({self.ledger},{self.entry},{self.number},{self.place})"


class Entry:
    """What the broker stores and acknowledges as one: a message, a batch of them, or a piece of one.

    Attributes
    ----------
    id
        Where it lies.
    metadata
        Its metadata; empty where they can't be read.
    payload
        The bytes behind them, as they are stored.
    permits
        How many messages the broker took this for when it sent it.
    size
        All its bytes, metadata too.
    open
        How many of its messages are not done yet.
    """

    __slots__ = ("id", "metadata", "open", "payload", "permits", "size")

    def __init__(self, id_: MessageId, metadata: Any, payload: bytes, permits: int = 1, size: int = 0) -> None:
        self.size = size or len(payload)
        self.id = id_
        self.metadata = metadata
        self.payload = payload
        self.permits = permits
        self.open = 1

    @property
    def countable(self) -> bool:
        """Whether the broker's count of permits still holds when it has sent this."""
        return 0 < self.permits <= MOST_PERMITS


class Message:
    """A message with the client library's methods, whose `problem` says why it can't be read; empty where it can.

    Parameters
    ----------
    entries
        What it came in: one entry, or several where it is in pieces.
    metadata
        Its own metadata.
    data
        The payload; of an unreadable one what there is of it, as it is stored.
    batch_index
        See `MessageId`.
    problem
        See above.

    Attributes
    ----------
    size
        The bytes that it takes, its metadata too.
    """

    __slots__ = ("_batch_index", "_data", "_metadata", "done", "entries", "problem", "size")

    def __init__(
        self, entries: tuple[Entry, ...], metadata: Any, data: bytes, batch_index: int = -1, problem: str = ""
    ) -> None:
        self.entries = entries
        self.problem = problem
        self.size = len(data)
        self.done = False
        self._metadata = metadata
        self._data = data
        self._batch_index = batch_index

    def data(self) -> bytes:
        """The payload."""
        return self._data

    def partition_key(self) -> str:
        """The message key, empty without one. Raises `UnicodeDecodeError` where it isn't UTF-8."""
        key: bytes = self._metadata.partition_key
        return key.decode()

    def properties(self) -> dict[str, str]:
        """The message's own properties. Raises `UnicodeDecodeError` where they aren't UTF-8."""
        return {each.key.decode(): each.value.decode() for each in self._metadata.properties}

    def message_id(self) -> MessageId:
        """Where it lies; of one in pieces, where the first lies."""
        id_ = self.entries[0].id
        return id_ if self._batch_index < 0 else id_._replace(place=self._batch_index)

    def publish_timestamp(self) -> int:
        """When it was published, in Unix milliseconds."""
        return int(self.entries[0].metadata.publish_time)

    def deliver_at(self) -> int:
        """When its sender wants it delivered, in Unix milliseconds; 0 for at once."""
        return int(self.entries[0].metadata.deliver_at_time)
