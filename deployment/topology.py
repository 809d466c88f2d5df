"""Creates tenant, namespace, topics and schemas as `topics.yaml` says. A second run changes nothing."""

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulsar.schema
import yaml

from alpes_wire.names import DEAD_LETTER_SUFFIX
from connection.admin import Admin
from connection.client import NEW_TOPIC_TIMEOUT_S, opened
from connection.errors import PulsarError
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
    schema : str
        The dotted path of the message class whose schema it has; empty for none.
    """

    name: str
    schema: str = ""

    def message_class(self) -> Any:
        """Return the class that `schema` names."""
        module, _, name = self.schema.rpartition(".")
        return getattr(importlib.import_module(module), name)


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
        topics.append(Topic(entry["name"], entry.get("schema", "")))
        if entry.get("dead_letter"):
            topics.append(Topic(entry["name"] + DEAD_LETTER_SUFFIX))
    return Topology(
        partitions=int(values["partitions"]),
        retention_minutes=int(values["retention"]["minutes"]),
        retention_megabytes=int(values["retention"]["megabytes"]),
        topics=tuple(topics),
    )


def apply(topology: Topology, api: Admin, service_url: str) -> list[str]:
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
        A schema can't be registered, or a topic has more partitions than it should.
    """
    return [
        *_apply_namespace(topology, api),
        *_apply_topics(topology, api),
        *_apply_schemas(topology, api, service_url),
    ]


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
        if f"persistent://{NAMESPACE}/{topic.name}" not in existing:
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


def _apply_schemas(topology: Topology, api: Admin, service_url: str) -> list[str]:
    """Register the missing schemas by opening producers: the client encodes them as broker and Java readers expect."""
    missing = [topic for topic in topology.topics if topic.schema and not _is_registered(topic, api)]
    if not missing:
        return []
    names = ", ".join(topic.name for topic in missing)
    try:
        with opened(service_url, operation_timeout_s=NEW_TOPIC_TIMEOUT_S) as client:
            for topic in missing:
                schema = pulsar.schema.ProtobufNativeSchema(topic.message_class())
                client.create_producer(f"persistent://{NAMESPACE}/{topic.name}", schema=schema).close()
    except PulsarError as error:
        raise DeploymentError(f"The schemas of {names} can't be registered. {error}") from error
    return [f"schemas registered: {names}"]


def _is_registered(topic: Topic, api: Admin) -> bool:
    found = api.find(f"/admin/v2/schemas/{NAMESPACE}/{topic.name}/schema")
    if found is None or found.get("type") != "PROTOBUF_NATIVE":
        return False
    info = pulsar.schema.ProtobufNativeSchema(topic.message_class()).schema_info()
    try:
        return bool(json.loads(found["data"]) == json.loads(info.schema()))
    except ValueError:
        return False
