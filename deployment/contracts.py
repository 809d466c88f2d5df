"""The contract of a topic: its message's Protobuf descriptor, with all that this needs and nothing else.

A registered schema holds the whole `.proto` file. Only what a topic's own message is made of concerns that topic.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

import pulsar.schema
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from google.protobuf.message import DecodeError, Message


def schema(kind: type[Message]) -> str:
    """Return what the registry holds for a message class, as the client encodes it."""
    return str(pulsar.schema.ProtobufNativeSchema(kind).schema_info().schema())


@dataclass(frozen=True)
class Contract:
    """What one version of a topic's messages is.

    Attributes
    ----------
    root : str
        The full name of the message, such as ``tienda.v1.OrdenCreada``.
    files : bytes
        A `google.protobuf.FileDescriptorSet` with that message and what it needs.
    """

    root: str
    files: bytes

    @classmethod
    def of(cls, kind: type[Message]) -> Self:
        """Return the contract of a message class of this checkout."""
        return cls.parse(schema(kind))

    @classmethod
    def parse(cls, data: str) -> Self:
        """Read a contract from what Pulsar's registry holds for a schema of type PROTOBUF_NATIVE, or `text` returned.

        Raises
        ------
        ValueError
            It is neither.
        """
        try:
            values = json.loads(data)
            files = FileDescriptorSet.FromString(base64.b64decode(values["fileDescriptorSet"]))
            root = str(values["rootMessageTypeName"])
        except (binascii.Error, DecodeError, KeyError, TypeError) as error:
            raise ValueError(f"no descriptor: {error!r}") from error
        return cls(root, needed(files, root).SerializeToString(deterministic=True))

    def text(self) -> str:
        """Return it in the registry's form, for `parse`."""
        return json.dumps(
            {"fileDescriptorSet": base64.b64encode(self.files).decode(), "rootMessageTypeName": self.root}
        )

    def fields(self) -> dict[str, str]:
        """Return the type of each field by its name, such as ``tienda.v1.OrdenCreada.client_id``, and enums' values."""
        found: dict[str, str] = {}
        for file in FileDescriptorSet.FromString(self.files).file:
            for enum in file.enum_type:
                found |= {f"{file.package}.{enum.name}.{value.name}": str(value.number) for value in enum.value}
            for message in file.message_type:
                found |= _fields(message, f"{file.package}.{message.name}")
        return found


def _fields(message: DescriptorProto, begin: str) -> dict[str, str]:
    kinds = FieldDescriptorProto.Type
    found = {
        f"{begin}.{each.name}": each.type_name.lstrip(".") or kinds.Name(each.type).removeprefix("TYPE_").lower()
        for each in message.field
    }
    for enum in message.enum_type:
        found |= {f"{begin}.{enum.name}.{value.name}": str(value.number) for value in enum.value}
    for nested in message.nested_type:
        found |= _fields(nested, f"{begin}.{nested.name}")
    return found


def needed(files: FileDescriptorSet, root: str) -> FileDescriptorSet:
    """Return the files with only those messages and enums that a message needs, itself included."""
    outermost = {name: top for file in files.file for name, top in _names(file)}
    messages = {f".{file.package}.{message.name}": message for file in files.file for message in file.message_type}
    kept_names: set[str] = set()
    waiting = {outermost.get(f".{root}", "")} - {""}
    while waiting:
        name = waiting.pop()
        kept_names.add(name)
        uses = _uses(messages[name]) if name in messages else ()
        waiting |= {outermost[used] for used in uses if used in outermost} - kept_names
    result = FileDescriptorSet()
    for file in files.file:
        kept = FileDescriptorProto()
        kept.CopyFrom(file)
        kept.ClearField("service")
        kept.ClearField("extension")
        _keep(kept.message_type, kept.package, kept_names)
        _keep(kept.enum_type, kept.package, kept_names)
        if kept.message_type or kept.enum_type:
            present = {each.name for each in result.file}
            imported = [name for name in kept.dependency if name in present]
            for field in ("dependency", "public_dependency", "weak_dependency"):
                kept.ClearField(field)
            kept.dependency.extend(imported)
            result.file.append(kept)
    return result


def _names(file: FileDescriptorProto) -> Iterator[tuple[str, str]]:
    """Yield the full names of a file's messages and enums, each with that of the outermost message it lies in."""
    for enum in file.enum_type:
        yield f".{file.package}.{enum.name}", f".{file.package}.{enum.name}"
    for message in file.message_type:
        begin = f".{file.package}.{message.name}"
        yield begin, begin
        for inner in _inner(message, begin):
            yield inner, begin


def _inner(message: DescriptorProto, begin: str) -> Iterator[str]:
    for enum in message.enum_type:
        yield f"{begin}.{enum.name}"
    for nested in message.nested_type:
        yield f"{begin}.{nested.name}"
        yield from _inner(nested, f"{begin}.{nested.name}")


def _uses(message: DescriptorProto) -> Iterator[str]:
    """Yield the full names of the types of a message's fields, with those of its nested messages."""
    for field in message.field:
        if field.type_name:
            yield field.type_name
    for nested in message.nested_type:
        yield from _uses(nested)


def _keep(types: Any, package: str, names: Iterable[str]) -> None:
    for place in reversed(range(len(types))):
        if f".{package}.{types[place].name}" not in names:
            del types[place]
