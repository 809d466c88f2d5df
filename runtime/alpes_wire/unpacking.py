"""Turns an entry into its messages. Pure: any bytes become messages; the unreadable ones have a `problem`."""

import struct

from google.protobuf.message import DecodeError

from .compression import decompressed
from .errors import Unreadable
from .link import Frame
from .message import Entry, Message, MessageId
from .protocol_pb2 import MessageMetadata, SingleMessageMetadata

BROKER_METADATA = b"\x0e\x02"
CHECKSUM = b"\x0e\x01"
SIZE = struct.Struct(">I")
NO_METADATA = MessageMetadata()
MOST_MESSAGES = 100_000
"""Most messages of a batch that is unpacked; no client makes batches near this size."""

_size_at = SIZE.unpack_from
_single = SingleMessageMetadata.FromString


def entry_of_frame(frame: Frame) -> Entry:
    """Return the entry of a MESSAGE command."""
    at = frame.command.message.message_id
    partition = at.partition if at.HasField("partition") else -1
    return entry_of(MessageId(at.ledgerId, at.entryId, partition), frame.body)


def entry_of(id_: MessageId, body: bytes) -> Entry:
    """Return the entry in the body of a MESSAGE command, with empty metadata where they can't be read.

    The checksum is not verified: the broker did that when it stored the entry, and TCP has its own.

    Parameters
    ----------
    id_
        The entry's position.
    body
        The bytes behind the command.
    """
    start = 0
    try:
        if body.startswith(BROKER_METADATA):
            start = 6 + _size_at(body, 2)[0]
        if body.startswith(CHECKSUM, start):
            start += 6
        end = start + 4 + _size_at(body, start)[0]
        metadata = MessageMetadata.FromString(body[start + 4 : end])
    except (DecodeError, struct.error):
        return Entry(id_, NO_METADATA, body)
    permits = metadata.num_messages_in_batch if metadata.HasField("num_messages_in_batch") else 1
    return Entry(id_, metadata, body[end:], permits, len(body))


def unpacked(entry: Entry) -> list[Message]:
    """Return the messages of an entry that isn't a piece, and set how many of them are to be acknowledged.

    A batch whose messages were all compacted away has none.
    """
    metadata = entry.metadata
    if metadata is NO_METADATA:
        return [unreadable((entry,), "the entry's metadata can't be read")]
    try:
        payload = plain(metadata, entry.payload)
    except Unreadable as error:
        return [unreadable((entry,), str(error))]
    if not metadata.HasField("num_messages_in_batch"):
        message = Message((entry,), metadata, payload)
        message.size = max(entry.size, len(payload))
        return [message]
    messages = _of_batch(entry, payload)
    entry.open = len(messages)
    # A message that waits for long must not keep the whole batch in memory.
    entry.payload = b""
    return messages


def plain(metadata: MessageMetadata, payload: bytes) -> bytes:
    """Return the decompressed payload. Raises `Unreadable` where it is encrypted or doesn't decompress."""
    if metadata.encryption_keys:
        keys = ", ".join(repr(each.key.decode(errors="backslashreplace")) for each in metadata.encryption_keys[:3])
        raise Unreadable(f"encrypted for {keys}, and there is no key here")
    return decompressed(payload, metadata.compression, metadata.uncompressed_size)


def unreadable(entries: tuple[Entry, ...], problem: str, payload: bytes | None = None, index: int = -1) -> Message:
    """Return a message for bytes that can't be read: its data are those bytes, its `problem` says why."""
    data = b"".join(entry.payload for entry in entries) if payload is None else payload
    message = Message(entries, entries[0].metadata, data, index, problem)
    message.size = max(len(data), sum(entry.size for entry in entries) if index < 0 else 0)
    return message


def _of_batch(entry: Entry, payload: bytes) -> list[Message]:
    count = entry.metadata.num_messages_in_batch
    entries = (entry,)
    if not 0 < count <= MOST_MESSAGES:
        return [unreadable(entries, f"a batch of {count:,} messages, as it says")]
    messages: list[Message] = []
    at = 0
    length = len(payload)
    for index in range(count):
        try:
            start = at + 4 + _size_at(payload, at)[0]
            metadata = _single(payload[at + 4 : start])
            end = start + metadata.payload_size
            if not start <= end <= length:
                raise Unreadable
        except (struct.error, DecodeError, Unreadable):
            problem = f"a batch of {count:,} messages, of which number {index + 1:,} can't be read"
            messages.append(unreadable(entries, problem, payload[at:], index))
            return messages
        # Compaction leaves an empty message in a batch.
        if not metadata.compacted_out or end > start:
            message = Message(entries, metadata, payload[start:end], index)
            message.size = end - at
            messages.append(message)
        at = end
    if at < length:
        problem = f"a batch of {count:,} messages with {length - at:,} bytes behind the last one"
        messages.append(unreadable(entries, problem, payload[at:], count))
    return messages
