"""Takes some messages out of an entry, at a small part of what unpacking it costs. Pure."""

import struct

from google.protobuf.message import DecodeError

from .errors import Unreadable
from .message import Entry, Message
from .pieces import is_piece
from .protocol_pb2 import SingleMessageMetadata
from .unpacking import MOST_MESSAGES, NO_METADATA, SIZE, plain, unpacked

_size_at = SIZE.unpack_from
_single = SingleMessageMetadata.FromString


def messages_in(entry: Entry) -> int:
    """Return how many messages an entry holds, as it says; of a message in pieces, the last piece counts.

    An entry that makes an impossible claim counts as one.
    """
    metadata = entry.metadata
    if is_piece(entry):
        return int(metadata.chunk_id + 1 == metadata.num_chunks_from_msg)
    claimed = metadata.num_messages_in_batch if metadata.HasField("num_messages_in_batch") else 1
    return claimed if 0 < claimed <= MOST_MESSAGES else 1


def sample(entry: Entry, first: int, every: int) -> list[Message]:
    """Return the messages of an entry with the numbers first, first + every, and so on; unreadable ones are left out.

    Messages in pieces are left out, too.

    Parameters
    ----------
    entry
        The entry as stored.
    first
        Number of the first message to take, from 0 on.
    every
        1 takes each one from there on.
    """
    if entry.metadata is NO_METADATA or is_piece(entry) or first >= messages_in(entry):
        return []
    if (every == 1 and first == 0) or not entry.metadata.HasField("num_messages_in_batch"):
        return [message for message in unpacked(entry) if not message.problem]
    try:
        payload = plain(entry.metadata, entry.payload)
        return _of_batch(entry, payload, first, every)
    except (Unreadable, struct.error, DecodeError):
        return []


def _of_batch(entry: Entry, payload: bytes, first: int, every: int) -> list[Message]:
    messages = []
    entries = (entry,)
    at = 0
    for index in range(messages_in(entry)):
        start = at + 4 + _size_at(payload, at)[0]
        single = _single(payload[at + 4 : start])
        end = start + single.payload_size
        if not start <= end <= len(payload):
            break
        if index >= first and (index - first) % every == 0 and not single.compacted_out:
            messages.append(Message(entries, single, payload[start:end], index))
        at = end
    return messages
