"""Creates tenant, namespace and topics as `topics.yaml` says. A second run changes nothing."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf.message import Message

from alpes_wire.names import DEAD_LETTER_SUFFIX
from connection.admin import Admin
from deployment.errors import DeploymentError
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


def apply(topology: Topology, api: Admin) -> list[str]:
    """Create what is missing.

    Returns
    -------
    list of str
        One line for each change; empty when nothing was missing.

    Raises
    ------
    connection.errors.PulsarError
        Pulsar can't be reached, or refuses.
    deployment.errors.DeploymentError
        A topic has more partitions than it should.
    """
    return [*_apply_namespace(topology, api), *_apply_topics(topology, api)]


def _apply_namespace(topology: Topology, api: Admin) -> list[str]:
    done = []
    if TENANT not in api.get("/admin/v2/tenants"):
        clusters = [cluster for cluster in api.get("/admin/v2/clusters") if cluster != "global"]
        if api.create(f"/admin/v2/tenants/{TENANT}", {"allowedClusters": clusters}):
            done.append(f"tenant {TENANT} created")
    path = f"/admin/v2/namespaces/{NAMESPACE}"
    if NAMESPACE not in api.get(f"/admin/v2/namespaces/{TENANT}") and api.create(path, {}):
        done.append(f"namespace {NAMESPACE} created")
    for policy, wanted in _policies(topology).items():
        if api.find(f"{path}/{policy}") != wanted:
            api.post(f"{path}/{policy}", wanted)
            done.append(f"{policy} set")
    return done


def _policies(topology: Topology) -> dict[str, Any]:
    """Return the namespace's policies, by their names in Pulsar's admin API."""
    return {
        "retention": {
            "retentionTimeInMinutes": topology.retention_minutes,
            "retentionSizeInMB": topology.retention_megabytes,
        },
        # 0 is no limit. An entry may lie about its number of messages: the broker's count then goes wrong, and above
        # the limit the broker delivers nothing more. The consumers' permits limit what an instance gets anyway.
        "maxUnackedMessagesPerSubscription": 0,
    }


def _apply_topics(topology: Topology, api: Admin) -> list[str]:
    root = f"/admin/v2/persistent/{NAMESPACE}"
    existing = set(api.get(f"{root}/partitioned"))
    created = []
    done = []
    for topic in topology.topics:
        path = f"{root}/{topic.name}/partitions"
        if topic.full_name not in existing:
            if api.create(path, topology.partitions):
                created.append(topic.name)
            continue
        partitions = api.get(path)["partitions"]
        if partitions > topology.partitions:
            raise DeploymentError(
                f"Topic {topic.name} has {partitions} partitions, but topics.yaml says {topology.partitions}. Pulsar"
                f" can't remove partitions: write at least {partitions} into topics.yaml."
            )
        if partitions < topology.partitions:
            api.post(path, topology.partitions)
            done.append(f"topic {topic.name}: {partitions} → {topology.partitions} partitions")
    if created:
        done.append(f"{len(created)} topics created: {', '.join(created)}")
    return done
