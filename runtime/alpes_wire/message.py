"""A received message, readable or not."""

from typing import Any, NamedTuple

MOST_PERMITS = 20_000
"""Most messages that an entry may claim. The consumer can't give back the permits of a larger claim, so it reopens."""


class MessageId(NamedTuple):
    """Position of a message. A later message of the same partition compares as higher.

    Attributes
    ----------
    ledger, entry
        The entry that holds it.
    number
        Number of the topic's partition, -1 where the topic has none.
    place
        Index within the entry's batch, -1 where the entry is one message.
    """

    ledger: int
    entry: int
    number: int = -1
    place: int = -1

    def ledger_id(self) -> int:
        """Return the ledger, under the client library's name."""
        return self.ledger

    def entry_id(self) -> int:
        """Return the entry, under the client library's name."""
        return self.entry

    def partition(self) -> int:
        """Return the number of the partition, under the client library's name."""
        return self.number

    def batch_index(self) -> int:
        """Return the index within the batch, under the client library's name."""
        return self.place

    def __str__(self) -> str:
        return f"({self.ledger},{self.entry},{self.number},{self.place})"


class Entry:
    """The broker's unit of storage and acknowledgement: a message, a batch of messages, or a piece (chunk) of one.

    Attributes
    ----------
    id
        Its position.
    metadata
        Its metadata; empty where they can't be read.
    payload
        The bytes behind the metadata, as stored.
    permits
        How many permits the broker counted for it.
    size
        Bytes, metadata included.
    open
        How many of its messages are not acknowledged yet.
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
        """Whether the permits that the broker counted for this entry can be given back."""
        return 0 < self.permits <= MOST_PERMITS


class Message:
    """A message with the client library's methods, and a `problem` that says why it can't be read.

    Parameters
    ----------
    entries
        The entries that hold it: one, or several where it came in pieces.
    metadata
        Its own metadata.
    data
        The payload. An unreadable message has the bytes that there are, as stored.
    batch_index
        Index within the entry's batch, -1 where the entry is one message.
    problem
        Why it can't be read, empty where it can.

    Attributes
    ----------
    size
        Bytes, metadata included.
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
        """Return the payload."""
        return self._data

    def partition_key(self) -> str:
        """Return the message key, empty without one. Raises `UnicodeDecodeError` where it isn't UTF-8."""
        key: bytes = self._metadata.partition_key
        return key.decode()

    def properties(self) -> dict[str, str]:
        """Return the message's properties. Raises `UnicodeDecodeError` where they aren't UTF-8."""
        return {each.key.decode(): each.value.decode() for each in self._metadata.properties}

    def message_id(self) -> MessageId:
        """Return its position; that of the first piece where it came in pieces."""
        id_ = self.entries[0].id
        return id_ if self._batch_index < 0 else id_._replace(place=self._batch_index)

    def publish_timestamp(self) -> int:
        """Return when it was published, in Unix milliseconds."""
        return int(self.entries[0].metadata.publish_time)

    def deliver_at(self) -> int:
        """Return when its sender wants it delivered, in Unix milliseconds; 0 for at once."""
        return int(self.entries[0].metadata.deliver_at_time)
