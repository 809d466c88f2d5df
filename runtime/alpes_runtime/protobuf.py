"""Decodes Protobuf messages with `alpes_wire.decoding`, and builds events."""

from typing import Protocol, TypeVar

from google.protobuf.message import Message

from alpes_wire import decoding

from ._message import Event
from .errors import InvalidMessage
from .tracing import child_traceparent

M = TypeVar("M", bound=Message)


def decode(kind: type[M], data: bytes) -> M:
    """Return the message; see `alpes_wire.decoding.decode`.

    Raises
    ------
    InvalidMessage
        The bytes are no such message.
    """
    try:
        return decoding.decode(kind, data)
    except decoding.Undecodable as error:
        raise InvalidMessage(str(error)) from error


class Envelope(Protocol):
    """The fields that every event's message has, beside its own."""

    event_id: str
    event_type: str
    schema_version: int
    traceparent: str

    def SerializeToString(self, *, deterministic: bool = ...) -> bytes:  # noqa: N802 -- protobuf's name
        """Return the message's bytes."""
        ...


def enveloped(
    topic: str, key: str, message: Envelope, kind: str, identity: str, *, trace: str, schema_version: int = 1
) -> Event:
    """Return an event to publish, with its envelope filled in. The same input gives the same bytes.

    Parameters
    ----------
    topic, key
        See `Event`.
    message
        The event's content; this function fills in its envelope.
    kind, identity
        The event's type, and what identifies it among events of that type. Together they are its id, such as
        ``orden-creada:order-1``.
    trace
        ``traceparent`` of the event's cause, checked by `valid_traceparent`; see `child_traceparent`.
    schema_version
        Version of the contract that the event follows.
    """
    event_id = f"{kind}:{identity}"
    message.event_id = event_id
    message.event_type = kind
    message.schema_version = schema_version
    message.traceparent = traceparent = child_traceparent(trace, key, event_id)
    return Event(topic, key, message.SerializeToString(deterministic=True), traceparent=traceparent)
