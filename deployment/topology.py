"""Reads `topics.yaml`: what tenant, namespace and topics shall be on the target."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import yaml
from google.protobuf.message import Message

from alpes_wire.names import DEAD_LETTER_SUFFIX
from schemas.tienda.topics import NAMESPACE

TENANT = NAMESPACE.split("/")[0]
PATH = Path(__file__).with_name("topics.yaml")


@dataclass(frozen=True)
class Topic:
    """One partitioned topic.

    Attributes
    ----------
    name : str
        Its local name.
    message : str
        The dotted path of its messages' class; empty where they are of no one class.
    registered : bool
        Whether that class is registered as the topic's schema.
    """

    name: str
    message: str = ""
    registered: bool = False

    @property
    def full_name(self) -> str:
        """The name by which Pulsar knows it."""
        return f"persistent://{NAMESPACE}/{self.name}"

    def message_class(self) -> type[Message]:
        """Return the class that `message` names."""
        module, _, name = self.message.rpartition(".")
        found: type[Message] = getattr(importlib.import_module(module), name)
        return found


@dataclass(frozen=True)
class Topology:
    """All topics of the system.

    Attributes
    ----------
    partitions : int
        The number of partitions of each topic.
    retention_minutes, retention_megabytes : int
        How long, and how much of, a topic is kept once it is acknowledged; -1 is for ever, and all.
    topics : tuple of Topic
        All topics, with the dead-letter topics.
    """

    partitions: int
    retention_minutes: int
    retention_megabytes: int
    topics: tuple[Topic, ...]


def load(path: Path = PATH) -> Topology:
    """Read the topology from a YAML file."""
    values = yaml.safe_load(path.read_text())
    topics = []
    for entry in values["topics"]:
        schema = entry.get("schema", "")
        topics.append(Topic(entry["name"], schema or entry.get("message", ""), registered=bool(schema)))
        if entry.get("dead_letter"):
            topics.append(Topic(entry["name"] + DEAD_LETTER_SUFFIX))
    return Topology(
        partitions=int(values["partitions"]),
        retention_minutes=int(values["retention"]["minutes"]),
        retention_megabytes=int(values["retention"]["megabytes"]),
        topics=tuple(topics),
    )
