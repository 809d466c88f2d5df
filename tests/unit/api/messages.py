"""Messages as the API takes them from topics."""

from alpes_wire import Message, MessageId
from alpes_wire.message import Entry
from alpes_wire.protocol_pb2 import MessageMetadata


def message(payload: bytes, **properties: str) -> Message:
    """Return a message about order a."""
    metadata = MessageMetadata(partition_key=b"a", publish_time=1)
    for name, value in properties.items():
        metadata.properties.add(key=name.replace("_", ".").encode(), value=value.encode())
    return Message((Entry(MessageId(1, 1), metadata, payload),), metadata, payload)
