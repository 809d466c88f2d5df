"""A producer that speaks Pulsar's protocol by hand and sends any bytes as an entry, as a client with a bug does."""

import socket
import uuid
from collections.abc import Iterable
from struct import pack, unpack
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.fields import text, whole

CONNECT, PRODUCER, SEND, SEND_RECEIPT, SEND_ERROR, PING, PONG = 2, 5, 6, 7, 8, 18, 19
PRODUCER_SUCCESS, LOOKUP = 17, 23
PROTOCOL_VERSION = 19
TIMEOUT_S = 20.0
ON_THE_WAY = 500
"""Entries that are sent before their receipts are read."""

Fields = dict[int, int | bytes]
"""The last value of each field of a Protobuf message, by number."""


class Raw(NamedTuple):
    """An entry as it is sent, without a checksum, which the broker doesn't require.

    Attributes
    ----------
    metadata
        What says it is `MessageMetadata`.
    payload
        What follows.
    messages
        How many it holds, as its sender tells the broker.
    is_piece
        Whether it is a piece, as its sender tells the broker.
    metadata_size
        As it is written; None for the true one.
    """

    metadata: bytes
    payload: bytes = b""
    messages: int = 1
    is_piece: bool = False
    metadata_size: int | None = None

    def body(self) -> bytes:
        """Return what follows the SEND command."""
        size = len(self.metadata) if self.metadata_size is None else self.metadata_size
        return pack(">I", size & 0xFFFFFFFF) + self.metadata + self.payload


class Refused(Exception):
    """The broker refused an entry, or closed the connection because of it; the text is the broker's."""


class RawProducer:
    """Sends entries to one partition.

    Parameters
    ----------
    service_url
        Where the broker is.
    topic
        Full name of the partition.
    """

    def __init__(self, service_url: str, topic: str) -> None:
        self._service_url = service_url
        self._topic = topic
        self._next = 0
        self._open()

    def send(self, entry: Raw) -> str:
        """Send an entry; return where it lies, as ``(ledger,entry,``. Raises `Refused`."""
        (place,) = self.send_all([entry])
        if place is None:
            raise Refused(self.refusal)
        return place

    def send_all(self, entries: Iterable[Raw]) -> list[str | None]:
        """Send entries, many at once; return the place of each, None for an entry that the broker refused.

        If the broker closes the connection, all entries on the way are refused; the next ones use a new connection.
        """
        places: list[str | None] = []
        window: list[Raw] = []
        for entry in entries:
            window.append(entry)
            if len(window) == ON_THE_WAY:
                places += self._sent(window)
                window = []
        return places + self._sent(window)

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def _sent(self, window: list[Raw]) -> list[str | None]:
        first = self._next
        places: list[str | None] = [None] * len(window)
        try:
            for number, entry in enumerate(window, first):
                sending = whole(1, 1) + whole(2, number) + whole(3, entry.messages)
                self._command(SEND, sending + (whole(7, 1) if entry.is_piece else b""), entry.body())
            self._next += len(window)
            for _ in window:
                kind, said = self._answer()
                if kind == SEND_RECEIPT:
                    at = fields(_bytes(said[3]))
                    places[int(said.get(2, 0)) - first] = f"({int(at[1])},{int(at[2])},"
                else:
                    self.refusal = str(said)
        except (OSError, Refused) as error:
            self.refusal = str(error)
            self._stream.close()
            self._open()
        return places

    def _open(self) -> None:
        where = urlsplit(self._service_url)
        self._stream = socket.create_connection((where.hostname or "", where.port or 6650), TIMEOUT_S)
        self._incoming = self._stream.makefile("rb")
        self._command(CONNECT, text(1, "raw") + whole(4, PROTOCOL_VERSION))
        self._answer()
        # A broker that is asked who serves the topic takes it, if no other one does.
        self._command(LOOKUP, text(1, self._topic) + whole(2, 0))
        self._answer()
        name = f"raw-{uuid.uuid4().hex[:8]}"
        self._command(PRODUCER, text(1, self._topic) + whole(2, 1) + whole(3, 1) + text(4, name))
        kind, said = self._answer()
        if kind != PRODUCER_SUCCESS:
            raise Refused(f"{self._topic}: {said}")
        self._next = 0
        self.refusal = ""

    def _command(self, kind: int, content: bytes, rest: bytes = b"") -> None:
        # A command's content is in the field of its own number.
        command = whole(1, kind) + text(kind, content)
        self._stream.sendall(pack(">II", 4 + len(command) + len(rest), len(command)) + command + rest)

    def _answer(self) -> tuple[int, Fields]:
        """Return the number and content of the next command that isn't a ping."""
        while True:
            frame = self._exactly(unpack(">I", self._exactly(4))[0])
            command = fields(frame[4 : 4 + unpack(">I", frame[:4])[0]])
            kind = int(command[1])
            if kind == PING:
                self._command(PONG, b"")
                continue
            return kind, fields(_bytes(command[kind]))

    def _exactly(self, size: int) -> bytes:
        data = self._incoming.read(size)
        if len(data) < size:
            raise Refused("the broker closed the connection")
        return data


def fields(message: bytes) -> Fields:
    """Return the fields of a Protobuf message of varints and bytes."""
    found: Fields = {}
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        value, at = read_varint(message, at)
        if tag & 7 == 2:
            found[tag >> 3] = message[at : at + value]
            at += value
        else:
            found[tag >> 3] = value
    return found


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number, and where it ends. Raises `IndexError` if it is cut off."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def metadata(*more: bytes, publish_time: int = 1_700_000_000_000) -> bytes:
    """Return the metadata of an entry: what Pulsar requires, and further fields."""
    return text(1, "raw") + whole(2, 0) + whole(3, publish_time) + b"".join(more)


def in_batch(payload: bytes, *more: bytes, size: int | None = None) -> bytes:
    """Return a message as it stands in a batch, which may lie about its size."""
    single = whole(3, len(payload) if size is None else size) + b"".join(more)
    return pack(">I", len(single)) + single + payload


def batch(*payloads: bytes, count: int | None = None, rest: bytes = b"") -> Raw:
    """Return a batch that may lie about its number of messages."""
    number = len(payloads) if count is None else count
    return Raw(metadata(whole(11, number)), b"".join(map(in_batch, payloads)) + rest, max(1, min(number, 1000)))


def pieces(payload: bytes, count: int, *more: bytes) -> list[Raw]:
    """Return the pieces of a message."""
    name = uuid.uuid4().hex
    size = -(-len(payload) // count)
    return [
        Raw(
            metadata(text(26, name), whole(27, count), whole(28, len(payload)), whole(29, n), *more),
            payload[n * size : (n + 1) * size],
            is_piece=True,
        )
        for n in range(count)
    ]
