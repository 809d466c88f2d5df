"""Refuses, before anything is changed, a deployment that would break the contract of a topic.

The measure is what the target holds, whatever this checkout was made from: the schema registered on a topic, and for a
topic without one the contract that the last deployment recorded in the topic's properties (`contract.1`, `contract.2`,
…; the highest number is the latest).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulsar.schema

from connection.admin import Admin
from connection.client import NEW_TOPIC_TIMEOUT_S, opened
from connection.errors import PulsarError
from deployment import buf, contracts
from deployment.change import Change, differences
from deployment.contracts import Contract
from deployment.errors import ContractError, DeploymentError
from deployment.topology import Topic, Topology
from schemas.tienda.topics import NAMESPACE
from terminal import progress
from terminal.operator import now, operator

RECORDED = "contract."
ALLOWED = "contract.allowed."
OWN_TYPE = "PROTOBUF_NATIVE"
BREAK = "break the reading of what the topics hold, or other readers"


@dataclass(frozen=True)
class Permission:
    """Leave to break contracts.

    Attributes
    ----------
    reason : str
        Why; it is recorded on the target, with who gave it.
    confirm : callable
        Called with a question once it is known what breaks; raises to stop.
    """

    reason: str
    confirm: Callable[[str], object]


@dataclass
class Todo:
    """What to write on the target once its topics exist.

    Attributes
    ----------
    register : list of Topic
        The topics whose schema is to be registered.
    properties : dict of str to dict
        The properties to set, by topic.
    changes : list of Change
        What that changes of the topics' contracts, field by field.
    """

    register: list[Topic] = field(default_factory=list)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)

    def note(self, topic: Topic, name: str, value: str) -> None:
        """Have a property of a topic set."""
        self.properties.setdefault(topic.name, {})[name] = value


def check(topology: Topology, api: Admin, permission: Permission | None = None) -> Todo:
    """Compare each topic's contract with the target's.

    Raises
    ------
    deployment.errors.ContractError
        A contract would be broken without permission, somebody else's schema is on a topic, or the namespace's settings
        forbid what the deployment has to do.
    connection.errors.PulsarError
        Pulsar can't be reached, or refuses.
    """
    todo = Todo()
    strange: list[str] = []
    broken: list[tuple[Topic, str]] = []
    changed: list[Topic] = []
    for topic in topology.topics:
        answer = api.find(f"/admin/v2/schemas/{NAMESPACE}/{topic.name}/schemas") or {}
        versions: list[dict[str, Any]] = answer.get("getSchemaResponses", [])
        problem = _strange(topic, versions)
        if problem:
            strange.append(problem)
            continue
        if not topic.message:
            continue
        ours = Contract.of(topic.message_class())
        # A deleted schema takes all of its versions along; what was recorded stays.
        recorded = _recorded(topic, api)
        verdict = _judge(ours, _registered(versions) or recorded)
        if verdict is None:
            progress.say(f"  {topic.name}: back to an earlier contract; readers ignore the newer fields")
            continue
        broken += [(topic, line) for line in verdict]
        if not recorded or recorded[-1] != ours:
            todo.note(topic, f"{RECORDED}{len(recorded) + 1}", ours.text())
        missing = topic.registered and not _has(versions, topic)
        if missing:
            todo.register.append(topic)
            changed += [topic] if versions else []
        todo.changes += _changes(topic, ours, _registered(versions) or recorded, removed=missing and not versions)
    problems = [*strange, *_settings(api, todo.register, changed)]
    if problems:
        raise ContractError("\n".join(("Nothing was done, because on the target", *(f"  {each}" for each in problems))))
    _permit(broken, permission, todo)
    return todo


def apply(todo: Todo, api: Admin, service_url: str) -> list[str]:
    """Record what `check` found new, and register schemas. The topics must exist.

    Returns
    -------
    list of str
        One line for each kind of change; empty when there was none.

    Raises
    ------
    deployment.errors.DeploymentError
        A schema can't be registered.
    """
    for name, properties in todo.properties.items():
        api.put(f"/admin/v2/persistent/{NAMESPACE}/{name}/properties", properties)
    done = [f"contracts recorded: {', '.join(todo.properties)}"] if todo.properties else []
    if todo.register:
        _register(todo.register, service_url)
        done.append(f"schemas registered: {', '.join(topic.name for topic in todo.register)}")
    return done


def _judge(ours: Contract, held: Sequence[Contract]) -> list[str] | None:
    """Return what `ours` breaks of the last of `held`; None if it is an earlier one that the last one follows."""
    if not held or held[-1] == ours:
        return []
    breaks = buf.breaks(ours.files, held[-1].files)
    if breaks and ours in held and not buf.breaks(held[-1].files, ours.files):
        return None
    return breaks


def _changes(topic: Topic, ours: Contract, held: Sequence[Contract], *, removed: bool) -> list[Change]:
    """Return what a deployment changes of a contract, field by field; `removed` says that no schema is registered."""
    part = f"topic {topic.name}"
    if not held:
        return [Change(part, "schema" if topic.registered else "contract", None, ours.root)]
    if removed and held[-1] == ours:
        return [Change(part, "schema", None, ours.root, by_hand=True)]
    there, wanted = held[-1].fields(), ours.fields()
    gone = {name: None for name in there if name not in wanted}
    return list(differences(part, there, {**wanted, **gone}))


def _strange(topic: Topic, versions: Sequence[dict[str, Any]]) -> str:
    """Return what is wrong with a topic's registered schema, empty if nothing is."""
    if not versions:
        return ""
    last = versions[-1]
    found, own = str(last["type"]), topic.message_class().DESCRIPTOR.full_name if topic.message else ""
    if found == OWN_TYPE:
        try:
            root = Contract.parse(last["data"]).root
        except ValueError:
            root = "something that can't be read"
        # Whoever sends our own message with a schema registers it on a topic that needs none.
        if root == own:
            return ""
        found += f" of {root}"
    wanted = f"{OWN_TYPE} of {own}" if topic.registered else "none"
    return (
        f"{topic.name} has somebody else's schema: {found}, version {last['version']}, where {wanted} belongs. Find out"
        f" who sends it; remove it with pulsar-admin schemas delete {topic.full_name}"
    )


def _registered(versions: Sequence[dict[str, Any]]) -> list[Contract]:
    return [Contract.parse(each["data"]) for each in versions if each["type"] == OWN_TYPE]


def _recorded(topic: Topic, api: Admin) -> list[Contract]:
    properties = api.find(f"/admin/v2/persistent/{NAMESPACE}/{topic.name}/properties") or {}
    numbers = [name.removeprefix(RECORDED) for name in properties if name.startswith(RECORDED)]
    try:
        return [
            Contract.parse(properties[f"{RECORDED}{each}"]) for each in sorted(filter(str.isdecimal, numbers), key=int)
        ]
    except ValueError as error:
        raise ContractError(
            f"Nothing was done, because a property {RECORDED}<number> of topic {topic.name} has {error}. The deployment"
            " writes them; put it right, or remove it with pulsar-admin topics remove-properties."
        ) from error


def _has(versions: Sequence[dict[str, Any]], topic: Topic) -> bool:
    """Whether this very schema is registered, as any version."""
    own = json.loads(contracts.schema(topic.message_class()))
    return any(json.loads(each["data"]) == own for each in versions if each["type"] == OWN_TYPE)


def _settings(api: Admin, new: Sequence[Topic], changed: Sequence[Topic]) -> list[str]:
    """Return what the namespace's settings forbid of what has to be done, with the command that changes it."""
    path = f"/admin/v2/namespaces/{NAMESPACE}"
    found = []
    if new and api.find(f"{path}/isAllowAutoUpdateSchema") is False:
        names = ", ".join(topic.name for topic in new)
        found.append(
            f"isAllowAutoUpdateSchema is false: the new schema of {names} can't be registered. Allow it, at least while"
            f" this runs: pulsar-admin namespaces set-is-allow-auto-update-schema --enable {NAMESPACE}"
        )
    # The namespace's own is mended by the deployment (`deployment.namespace`).
    own = f"{path}/schemaValidationEnforced"
    if api.find(f"{own}?applied=true") and not api.find(own):
        found.append(
            "the broker enforces schemas: stored messages, which alpes dlq replay and alpes recover send without one,"
            " would be refused. Set isSchemaValidationEnforced=false in broker.conf"
        )
    for topic in changed:
        # That of the topic, else the namespace's, else the broker's.
        own = f"/admin/v2/persistent/{NAMESPACE}/{topic.name}/schemaCompatibilityStrategy?applied=true"
        if api.find(own) == "ALWAYS_INCOMPATIBLE":
            found.append(
                f"schemaCompatibilityStrategy of {topic.name} is ALWAYS_INCOMPATIBLE: its changed schema can't be"
                " registered. Change it: pulsar-admin namespaces set-schema-compatibility-strategy --compatibility FULL"
                f" {NAMESPACE}, and pulsar-admin topicPolicies if the topic has one of its own"
            )
    return found


def _permit(broken: Sequence[tuple[Topic, str]], permission: Permission | None, todo: Todo) -> None:
    """Stop where contracts would be broken and nobody allows it; else have it noted who does, and why."""
    if not broken:
        return
    lines = [f"  {topic.name}: {line}" for topic, line in broken]
    if permission is None:
        advice = (
            "Take them back (schemas/README.md says how a contract may change). To deploy them all the same, say why:"
            " ./deploy.sh deploy --allow-breaking 'WHY'"
        )
        raise ContractError("\n".join((f"Nothing was done, because these changes {BREAK}:", *lines, advice)))
    for line in lines:
        progress.say(line)
    permission.confirm(f"These changes {BREAK}. Deploy them all the same?")
    at, by = now(), operator()
    for topic in dict.fromkeys(topic for topic, _ in broken):
        what = "; ".join(line for each, line in broken if each == topic)
        todo.note(topic, f"{ALLOWED}{at}", f"{by}: {permission.reason} [{what}]")


def _register(topics: Sequence[Topic], service_url: str) -> None:
    """Register schemas by opening producers: the client encodes them as broker and Java readers expect."""
    names = ", ".join(topic.name for topic in topics)
    try:
        with opened(service_url, operation_timeout_s=NEW_TOPIC_TIMEOUT_S) as client:
            for topic in topics:
                schema = pulsar.schema.ProtobufNativeSchema(topic.message_class())
                client.create_producer(topic.full_name, schema=schema).close()
    except PulsarError as error:
        raise DeploymentError(f"The schemas of {names} can't be registered. {error}") from error
