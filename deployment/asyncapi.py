"""Describes all topics and messages: `python -m deployment.asyncapi` writes `docs/asyncapi.yaml` and `docs/topics.md`.

Both are made from the contracts (`schemas/`) with their comments, `topics.yaml` and `function-configs/`. The first is
AsyncAPI 3.0, https://www.asyncapi.com/docs/reference/specification/v3.0.0, for programs; the second is for people.
"""

import ast
import itertools
import textwrap
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from alpes_wire import names
from alpes_wire.names import DEAD_LETTER_SUFFIX
from deployment import buf, contracts, function_configs, topology
from deployment.function_configs import CHECKOUT, PulsarFunctionConfig
from deployment.topology import Topology
from schemas.tienda.topics import NAMESPACE, RETRY_SUFFIX

DOCUMENT = CHECKOUT / "docs" / "asyncapi.yaml"
PAGE = CHECKOUT / "docs" / "topics.md"
COMMAND = "python -m deployment.asyncapi"
CLIENTS = "clients"
PROTOBUF = "application/vnd.google.protobuf;version=3"
PROPERTIES = {"ofMessages": "what clients send", "ofDeadLetters": "dead-letter", "ofRetries": "retried"}
"""Names of sets of message properties, and what the docstring of a property says that belongs to it."""
MESSAGE, ENUM, FIELD = 4, 5, 2
"""Numbers of fields of descriptors, of which the places of comments consist."""


@dataclass(frozen=True)
class Field:
    """A field of a message, with its comment."""

    number: int
    name: str
    kind: str
    comment: str


@dataclass(frozen=True)
class MessageType:
    """A message, with its comment and its text in the `.proto` file."""

    name: str
    comment: str
    text: str
    fields: Sequence[Field]


@dataclass(frozen=True)
class Channel:
    """A topic, with its messages and those who send to it and read from it."""

    name: str
    messages: Sequence[str]
    registered: bool
    senders: Sequence[str]
    readers: Sequence[str]

    @property
    def is_dead_letter(self) -> bool:
        """Whether it takes what can't be processed."""
        return self.name.endswith(DEAD_LETTER_SUFFIX)

    @property
    def is_retry(self) -> bool:
        """Whether it takes later attempts."""
        return self.name.endswith(RETRY_SUFFIX)


def message_types(schemas: Path = CHECKOUT / "schemas") -> dict[str, MessageType]:
    """Return all messages of a folder of `.proto` files, by name."""
    files = FileDescriptorSet.FromString(buf.built(schemas))
    own = [file for file in files.file if (schemas / file.name).exists()]
    sources = dict(source for file in own for source in _sources(file, schemas / file.name))
    found = {}
    for file in own:
        comments = {tuple(each.path): _joined(each.leading_comments) for each in file.source_code_info.location}
        for index, message in enumerate(file.message_type):
            fields = tuple(
                Field(field.number, field.name, _kind(field), comments[MESSAGE, index, FIELD, number])
                for number, field in enumerate(message.field)
            )
            text = _text(files, f"{file.package}.{message.name}", sources)
            found[message.name] = MessageType(message.name, comments[MESSAGE, index], text, fields)
    return found


def _sources(file: FileDescriptorProto, path: Path) -> Iterator[tuple[str, str]]:
    """Yield the full names of a file's messages and enums, each with its text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    spans = {tuple(each.path): each.span for each in file.source_code_info.location}
    names_of = {MESSAGE: [each.name for each in file.message_type], ENUM: [each.name for each in file.enum_type]}
    for kind, in_order in names_of.items():
        for index, name in enumerate(in_order):
            # First line, its column, last line, its column; a span within one line leaves the last line out.
            span = spans[kind, index]
            last = span[2] if len(span) == 4 else span[0]
            yield f"{file.package}.{name}", "\n".join(lines[span[0] : last + 1])


def _text(files: FileDescriptorSet, name: str, sources: Mapping[str, str]) -> str:
    """Return a message as a `.proto` file of its own, with what it needs."""
    used = contracts.needed(files, name).file
    package = name.rpartition(".")[0]
    types = [
        f"{file.package}.{each}"
        for file in used
        for each in (*(found.name for found in file.message_type), *(found.name for found in file.enum_type))
    ]
    imports = [f'import "{file.name}";' for file in used if file.package != package]
    texts = [sources[each] for each in types if each in sources]
    return "\n\n".join(("\n".join(('syntax = "proto3";', f"package {package};", *imports)), *texts)) + "\n"


def _kind(field: FieldDescriptorProto) -> str:
    name = (
        field.type_name.rpartition(".")[2] or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    )
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {name}"
    return f"optional {name}" if field.proto3_optional else name


def _joined(comment: str) -> str:
    """Return a comment's paragraphs, each in one line."""
    return "\n\n".join(" ".join(part.split()) for part in comment.strip().split("\n\n"))


def channels(wanted: Topology, configs: Sequence[PulsarFunctionConfig]) -> list[Channel]:
    """Return all topics, with what the configurations say of who uses them."""
    own = {topic.name: topic.message.rpartition(".")[2] for topic in wanted.topics}
    sends = {config.name: set(_sends(config)) for config in configs}
    reads = {config.name: {_short(topic) for topic in config.inputs} for config in configs}
    found = []
    for topic in wanted.topics:
        origin = topic.name.removesuffix(DEAD_LETTER_SUFFIX)
        messages = [own[origin]]
        if origin.endswith(RETRY_SUFFIX):
            messages += [
                own[each]
                for config in configs
                if origin in reads[config.name]
                for each in own
                if each in reads[config.name]
            ]
        found.append(
            Channel(
                topic.name,
                tuple(dict.fromkeys(filter(None, messages))),
                topic.registered,
                tuple(name for name, topics in sends.items() if topic.name in topics),
                tuple(name for name, topics in reads.items() if topic.name in topics),
            )
        )
    return found


def _sends(config: PulsarFunctionConfig) -> Iterator[str]:
    """Yield the topics that a function sends to: its outputs, its retry topic and the dead letters of its inputs."""
    outputs = [
        config.values.get("output"),
        *(value for key, value in config.user_config.items() if key.endswith("_topic")),
    ]
    yield from map(_short, filter(None, outputs))
    for topic in map(_short, config.inputs):
        yield topic + DEAD_LETTER_SUFFIX
        if topic.endswith(RETRY_SUFFIX):
            yield topic


def _short(topic: str) -> str:
    return topic.rpartition("/")[2]


def document(
    wanted: Topology, configs: Sequence[PulsarFunctionConfig], types: Mapping[str, MessageType]
) -> dict[str, Any]:
    """Return the AsyncAPI document."""
    tenant, namespace = NAMESPACE.split("/")
    found = channels(wanted, configs)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Alpes",
            "version": tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"],
            "description": (
                "An order system of Pulsar Functions. The operations are those of the functions. A topic that none of"
                " them sends to is for clients to send to. Clients may read every event."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/x-protobuf",
        "servers": {
            "local": {
                "host": "127.0.0.1:6650",
                "protocol": "pulsar",
                "description": "The local stack, on its usual ports.",
                "bindings": {"pulsar": {"tenant": tenant, "bindingVersion": "0.1.0"}},
            }
        },
        "channels": {
            channel.name: {
                "address": f"persistent://{NAMESPACE}/{channel.name}",
                "description": _description(channel, configs),
                "messages": {name: _message(channel, name) for name in channel.messages},
                "bindings": {
                    "pulsar": {
                        "namespace": namespace,
                        "persistence": "persistent",
                        **_retention(wanted),
                        "bindingVersion": "0.1.0",
                    }
                },
            }
            for channel in found
        },
        "operations": dict(_operations(found)),
        "components": {
            "messages": {
                each.name: {
                    "name": each.name,
                    "contentType": "application/x-protobuf",
                    "description": each.comment,
                    "headers": {"$ref": "#/components/schemas/propertiesOfMessages"},
                    "payload": {"$ref": f"#/components/schemas/{each.name}"},
                }
                for each in types.values()
            },
            "schemas": {
                **{each.name: {"schemaFormat": PROTOBUF, "schema": each.text} for each in types.values()},
                **{
                    f"properties{name[0].upper()}{name[1:]}": {
                        "type": "object",
                        "properties": {
                            key: {"type": "string", "description": text} for key, text in _properties(word).items()
                        },
                    }
                    for name, word in PROPERTIES.items()
                },
            },
        },
    }


def _description(channel: Channel, configs: Sequence[PulsarFunctionConfig]) -> str:
    if channel.is_dead_letter:
        return (
            f"Messages of {channel.name.removesuffix(DEAD_LETTER_SUFFIX)} that can't be processed: the original bytes."
        )
    if channel.is_retry:
        (owner,) = [config.name for config in configs if channel.name in map(_short, config.inputs)]
        own = " and timers" if "VencerOrdenes" in channel.messages else ""
        return f"Later attempts{own} that {owner} sends to itself: the original bytes, delayed."
    if not channel.messages:
        return "What operators did with dead letters."
    what = f"`{', '.join(channel.messages)}`"
    return (
        f"{what}, with a registered schema (ProtobufNativeSchema)."
        if channel.registered
        else f"{what}, without a registered schema."
    )


def _message(channel: Channel, name: str) -> dict[str, Any]:
    kind = "OfDeadLetters" if channel.is_dead_letter else "OfRetries" if channel.is_retry else ""
    if not kind:
        return {"$ref": f"#/components/messages/{name}"}
    return {
        "name": name,
        "contentType": "application/x-protobuf",
        "headers": {"$ref": f"#/components/schemas/properties{kind}"},
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _retention(wanted: Topology) -> dict[str, Any]:
    """Return the binding's retention, empty if all is kept: the binding has no word for that."""
    limits = {"time": wanted.retention_minutes, "size": wanted.retention_megabytes}
    found = {name: value for name, value in limits.items() if value >= 0}
    return {"retention": found} if found else {}


def _operations(found: Sequence[Channel]) -> Iterator[tuple[str, dict[str, Any]]]:
    for channel in found:
        for action, functions in (("receive", channel.readers), ("send", channel.senders)):
            for function in functions:
                yield (
                    f"{function}.{action}.{channel.name}",
                    {
                        "action": action,
                        "channel": {"$ref": f"#/channels/{channel.name}"},
                        "tags": [{"name": function}],
                    },
                )


def _properties(word: str) -> dict[str, str]:
    """Return the message properties whose docstring in `alpes_wire.names` has a word, with that docstring."""
    body = ast.parse(Path(str(names.__file__)).read_text()).body
    found = {}
    for statement, after in itertools.pairwise(body):
        match statement, after:
            case (
                ast.Assign(value=ast.Constant(value=str(name))),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if text.startswith("Property of ") and (word in text or word.replace("-", " ") in text):
                found[name] = " ".join(text.split()).partition(": ")[2]
    return found


def page(wanted: Topology, configs: Sequence[PulsarFunctionConfig], types: Mapping[str, MessageType]) -> str:
    """Return the page for people."""
    every = channels(wanted, configs)
    lines = [
        "# Topics and messages",
        "",
        f"`{COMMAND}` makes this page and [asyncapi.yaml](asyncapi.yaml) (AsyncAPI 3.0) from `schemas/`,",
        "`deployment/topics.yaml` and `function-configs/`: edit those. [Messages](messages.md) says what readers may",
        "rely on, and what senders must keep to.",
        "",
        "## Topics",
        "",
        f"All are `persistent://{NAMESPACE}/<name>`. Clients may read every event.",
        "",
        "| topic | messages | sent by | read by | registered schema |",
        "|---|---|---|---|---|",
    ]
    for each in every:
        if each.is_dead_letter:
            continue
        messages = ", ".join(f"[`{name}`](#{name.lower()})" for name in each.messages)
        users = [", ".join(group) or CLIENTS for group in (each.senders, each.readers)]
        if not each.messages:
            messages, users = "the log of what was done with dead letters", ["`alpes dlq`", "`alpes dlq`"]
        lines.append(f"| `{each.name}` | {messages} | {users[0]} | {users[1]} | {'yes' if each.registered else 'no'} |")
    lines += [
        "",
        *_wrapped(
            "Dead letters, the original bytes with the reason in their properties, are in "
            + ", ".join(f"`{each.name}`" for each in every if each.is_dead_letter)
            + "."
        ),
        "",
        "## Messages",
    ]
    for kind in types.values():
        lines += ["", f"### {kind.name}", ""]
        for paragraph in kind.comment.split("\n\n"):
            lines += [*_wrapped(paragraph), ""]
        lines += ["| number | field | type | |", "|---|---|---|---|"]
        lines += [
            f"| {field.number} | `{field.name}` | {field.kind} | {_cell(field.comment)} |" for field in kind.fields
        ]
    return "\n".join((*lines, ""))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 128, break_on_hyphens=False)


def _cell(text: str) -> str:
    """Return a text for a cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they stand."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def written() -> dict[Path, str]:
    """Return the content of both files as this checkout has it."""
    wanted, configs, types = topology.load(), list(function_configs.load().values()), message_types()
    text = yaml.dump(document(wanted, configs, types), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return {DOCUMENT: f"# {COMMAND} makes this file.\n{text}", PAGE: page(wanted, configs, types)}


def main() -> None:
    """Write both files."""
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
