"""Decodes Protobuf as `alpes_wire.decoding` does; what it refuses is an invalid message."""

from typing import TypeVar

from google.protobuf.message import Message

from alpes_wire import decoding

from .errors import InvalidMessage

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
