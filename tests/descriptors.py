"""Messages as another version of the contracts would have them: classes made from changed descriptors."""

import copy
from collections.abc import Callable

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message

Change = Callable[[DescriptorProto], None]

STRING = FieldDescriptorProto.TYPE_STRING
INT64 = FieldDescriptorProto.TYPE_INT64
ENUM = FieldDescriptorProto.TYPE_ENUM
OPTIONAL = FieldDescriptorProto.LABEL_OPTIONAL
REPEATED = FieldDescriptorProto.LABEL_REPEATED


def changed(kind: type[Message], change: Change) -> type[Message]:
    """Return a class as it would be if its message were changed in its `.proto` file."""
    file = FileDescriptorProto()
    kind.DESCRIPTOR.file.CopyToProto(file)
    change(next(each for each in file.message_type if each.name == kind.DESCRIPTOR.name))
    return made(file, kind.DESCRIPTOR.full_name)


def made(file: FileDescriptorProto, name: str) -> type[Message]:
    """Return the class of a message of a file."""
    pool = DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def field(message: DescriptorProto, name: str) -> FieldDescriptorProto:
    """Return a field, to change it."""
    return next(each for each in message.field if each.name == name)


def of_type(name: str, kind: "FieldDescriptorProto.Type.ValueType") -> Change:
    """Give a field another type."""
    return lambda message: setattr(field(message, name), "type", kind)


def repeated(name: str) -> Change:
    """Make a field a list."""
    return lambda message: setattr(field(message, name), "label", REPEATED)


def renamed(name: str, new: str) -> Change:
    """Give a field another name."""

    def change(message: DescriptorProto) -> None:
        found = field(message, name)
        found.name = found.json_name = new

    return change


def removed(name: str, *, reserved: bool = False) -> Change:
    """Remove a field, and reserve its number and its name or not."""

    def change(message: DescriptorProto) -> None:
        found = copy.deepcopy(field(message, name))
        message.field.remove(field(message, name))
        if reserved:
            message.reserved_range.add(start=found.number, end=found.number + 1)
            message.reserved_name.append(name)

    return change


def added(name: str, number: int, kind: "FieldDescriptorProto.Type.ValueType" = STRING) -> Change:
    """Add a field."""

    def change(message: DescriptorProto) -> None:
        message.field.add(name=name, json_name=name, number=number, type=kind, label=OPTIONAL)

    return change


def into_oneof(name: str) -> Change:
    """Move a field into a oneof."""

    def change(message: DescriptorProto) -> None:
        # A oneof of the source comes before those that stand for `optional`.
        optional = [each.name for each in message.oneof_decl]
        del message.oneof_decl[:]
        for each in ("choice", *optional):
            message.oneof_decl.add(name=each)
        for other in message.field:
            if other.HasField("oneof_index"):
                other.oneof_index += 1
        field(message, name).oneof_index = 0

    return change


def optional(name: str) -> Change:
    """Let readers tell whether a field is there."""

    def change(message: DescriptorProto) -> None:
        message.oneof_decl.add(name=f"_{name}")
        found = field(message, name)
        found.oneof_index, found.proto3_optional = len(message.oneof_decl) - 1, True

    return change


def with_enum(number: int, *values: str) -> Change:
    """Add a field of an enum with these values."""

    def change(message: DescriptorProto) -> None:
        enum = EnumDescriptorProto(name="Canal")
        for place, value in enumerate(values):
            enum.value.add(name=value, number=place)
        message.enum_type.append(enum)
        added("canal", number, ENUM)(message)
        field(message, "canal").type_name = f".tienda.v1.{message.name}.Canal"

    return change


def all_of(*changes: Change) -> Change:
    """Make several changes."""

    def change(message: DescriptorProto) -> None:
        for each in changes:
            each(message)

    return change


def nothing(_message: DescriptorProto) -> None:
    """Change nothing."""
