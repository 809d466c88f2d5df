"""Decodes Protobuf strictly: the bytes of another message type are rejected."""

from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from .errors import AlpesError

M = TypeVar("M", bound=Message)


class Undecodable(AlpesError):
    """The bytes aren't the expected message, or it breaks a rule. The text says which field is wrong, and how."""


def decode(kind: type[M], data: bytes) -> M:
    """Return the message.

    Protobuf itself treats a field of the wrong type as an unknown one. The bytes of another message then decode to a
    message with half its fields empty. Fields that ``kind`` doesn't declare are accepted: a newer sender wrote them.

    Raises
    ------
    Undecodable
        The bytes aren't Protobuf, are cut short, hold invalid UTF-8, or hold a known field as another type.
    """
    try:
        message = kind.FromString(data)
    except DecodeError as error:
        raise Undecodable(f"not a {kind.DESCRIPTOR.name}: {error}") from error
    message.DiscardUnknownFields()
    if message.ByteSize() != len(data):
        _check_types(kind, data)
    return message


def _check_types(kind: type[Message], data: bytes) -> None:
    # Reading the unknown fields costs more than decoding, so it is done only where the sizes differ.
    unknown_fields: Any = UnknownFieldSet(kind.FromString(data))
    for unknown in unknown_fields:
        field = kind.DESCRIPTOR.fields_by_number.get(unknown.field_number)
        if field is not None:
            what = f"field {field.number} ({field.name}) has another type on the wire"
            raise Undecodable(f"not a {kind.DESCRIPTOR.name}: {what}")
