"""Entries as brokers have them, made by hand."""

from struct import pack
from typing import Any

from alpes_wire.message import Entry, MessageId
from alpes_wire.protocol_pb2 import MessageMetadata, SingleMessageMetadata
from alpes_wire.unpacking import entry_of

ID = MessageId(7, 3, 0)


def metadata(**fields: Any) -> MessageMetadata:
    return MessageMetadata(producer_name=b"p", sequence_id=1, publish_time=1_700_000_000_000, **fields)


def body(meta: MessageMetadata | bytes, payload: bytes, before: bytes = b"") -> bytes:
    """Return what follows a MESSAGE command."""
    written = meta if isinstance(meta, bytes) else meta.SerializeToString()
    return before + b"\x0e\x01" + pack(">I", 0) + pack(">I", len(written)) + written + payload


def entry(meta: MessageMetadata | bytes, payload: bytes, id_: MessageId = ID) -> Entry:
    return entry_of(id_, body(meta, payload))


def in_batch(payload: bytes, **fields: Any) -> bytes:
    """Return a message as it stands in a batch."""
    single = SingleMessageMetadata(**{"payload_size": len(payload), **fields}).SerializeToString()
    return pack(">I", len(single)) + single + payload


def batch(*payloads: bytes, count: int | None = None, rest: bytes = b"") -> Entry:
    number = len(payloads) if count is None else count
    return entry(metadata(num_messages_in_batch=number), b"".join(map(in_batch, payloads)) + rest)


def piece(uuid: bytes, number: int, count: int, payload: bytes = b"x", at: int = 0) -> Entry:
    meta = metadata(uuid=uuid, chunk_id=number, num_chunks_from_msg=count, total_chunk_msg_size=99)
    return entry(meta, payload, MessageId(7, at or number, 0))
