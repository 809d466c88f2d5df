"""Compares tenant, namespace, policies and topics with the target, and brings them to what this checkout says.

`read` asks what is there, `decide` says which requests would bring it to what shall be, and `carry_out` sends them. The
namespace's property `topology.deployed` is the fingerprint of what was brought there last, so that a difference can be
told from a change by hand.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from connection.admin import Admin
from connection.errors import ForbiddenError
from deployment.change import Change, by_hand, differences
from deployment.errors import DeploymentError
from deployment.topology import TENANT, Topic, Topology
from schemas.tienda.topics import NAMESPACE

PATH = f"/admin/v2/namespaces/{NAMESPACE}"
TOPICS = f"/admin/v2/persistent/{NAMESPACE}"
NOTE = "topology.deployed"
PART = f"namespace {NAMESPACE}"
EVICTS = "consumer_backlog_eviction"
"""What a backlog quota may do: drop messages that nobody has acknowledged."""
AGAIN = "partitions made again"
"""A broker or an operator has deleted them, without a change of what shall be there."""


@dataclass(frozen=True)
class Policy:
    """A policy of the namespace that the functions rely on.

    Attributes
    ----------
    name : str
        Its name in Pulsar's admin API.
    stored_as : str
        Its name among all policies of a namespace, as Pulsar returns them.
    needed : Any
        Its value, or of a policy with fields those that matter.
    otherwise : dict of str to Any
        The other fields, where the namespace has no such policy yet.
    """

    name: str
    stored_as: str
    needed: Any
    otherwise: Mapping[str, Any] = field(default_factory=dict)

    def body(self, found: Any) -> Any:
        """Return what to send where the namespace has `found`: the fields that don't matter stay as they are."""
        return {**self.otherwise, **(found or {}), **self.needed} if isinstance(self.needed, Mapping) else self.needed


def policies(topology: Topology) -> tuple[Policy, ...]:
    """Return what the functions rely on. It is set even where it is Pulsar's default: a broker may have another."""
    retention = {
        "retentionTimeInMinutes": topology.retention_minutes,
        "retentionSizeInMB": topology.retention_megabytes,
    }
    # Without this, a broker deletes topics without a subscription, as dead-letter topics are, once nobody uses them.
    kept = {"deleteWhileInactive": False}
    as_pulsar = {"inactiveTopicDeleteMode": "delete_when_no_subscriptions", "maxInactiveDurationSeconds": 60}
    # Attempts and timers are delayed messages. A timer may be 30 days away.
    delayed = {"active": True, "maxDeliveryDelayInMillis": 0}
    return (
        Policy("retention", "retention_policies", retention),
        Policy("inactiveTopicPolicies", "inactive_topic_policies", kept, as_pulsar),
        # Messages that wait are never dropped, nor is the subscription of a function that is away.
        Policy("messageTTL", "message_ttl_in_seconds", 0),
        Policy("subscriptionExpirationTime", "subscription_expiration_time_minutes", 0),
        Policy("delayedDelivery", "delayed_delivery_policies", delayed, {"tickTime": 1000}),
        # Each producer has a name of its own, so that the broker would find no duplicate, and only have the cost.
        Policy("deduplication", "deduplicationEnabled", needed=False),
        # alpes dlq replay and alpes recover send stored bytes, without a schema.
        Policy("schemaValidationEnforced", "schema_validation_enforced", needed=False),
        # 0 is no limit. An entry may lie about its number of messages: the broker's count then goes wrong, and above
        # the limit the broker delivers nothing more. The consumers' permits limit what an instance gets anyway.
        Policy("maxUnackedMessagesPerSubscription", "max_unacked_messages_per_subscription", 0),
    )


@dataclass(frozen=True)
class Found:
    """What is on the target.

    Attributes
    ----------
    tenant : bool
        Whether the tenant exists.
    clusters : tuple of str
        The clusters that a new tenant may use.
    policies : dict or None
        All policies of the namespace, None where there is no namespace.
    partitions : dict of str to int
        The number of partitions of each topic.
    present : frozenset of str
        The names of the partitions that exist: a broker or an operator may have deleted one of a topic.
    refused : dict of str to str
        What this role may not ask for (``policies``, ``topics``), with Pulsar's words. It is taken as prepared.
    """

    tenant: bool = True
    clusters: tuple[str, ...] = ()
    policies: Mapping[str, Any] | None = None
    partitions: Mapping[str, int] = field(default_factory=dict)
    present: frozenset[str] = frozenset()
    refused: Mapping[str, str] = field(default_factory=dict)

    def grown(self, topology: Topology) -> list[str]:
        """Return the topics that a producer has made, before a deployment or after somebody deleted them.

        They have no number of partitions, and Pulsar can't give them one.
        """
        absent = [topic.name for topic in topology.topics if topic.name not in self.partitions]
        return [name for name in absent if self.present & {name, f"{name}-partition-0"}]


@dataclass(frozen=True)
class Step:
    """One request to the admin API.

    Attributes
    ----------
    done : str
        What it does, such as ``topics created``; empty for a note.
    name : str
        To what.
    changes : tuple of Change
        The same, field by field.
    method, path, body
        The request. A ``PUT`` of what somebody else has just made is no error.
    """

    done: str
    name: str
    changes: tuple[Change, ...]
    method: Literal["PUT", "POST", "DELETE"]
    path: str
    body: Any = None

    def by_hand(self) -> Step:
        """Return the same step, where somebody has changed what the last deployment left."""
        return dataclasses.replace(self, changes=tuple(by_hand(self.changes)))


def read(topology: Topology, api: Admin) -> Found:
    """Ask what is on the target. What this role may not ask is taken as prepared.

    Raises
    ------
    connection.errors.PulsarError
        Pulsar can't be reached, or refuses for another reason.
    """
    refused: dict[str, str] = {}
    try:
        found = api.find(PATH)
    except ForbiddenError as error:
        found, refused["policies"] = {}, str(error)
    if found is None:
        tenant = _has_tenant(api)
        clusters = () if tenant else tuple(each for each in api.get("/admin/v2/clusters") if each != "global")
        return Found(tenant, clusters)
    try:
        partitioned = set(api.get(f"{TOPICS}/partitioned"))
        present = frozenset(name.rpartition("/")[2] for name in api.get(TOPICS))
        known = [topic for topic in topology.topics if topic.full_name in partitioned]
        partitions = {topic.name: int(api.get(f"{TOPICS}/{topic.name}/partitions")["partitions"]) for topic in known}
    except ForbiddenError as error:
        return Found(policies=found, refused={**refused, "topics": str(error)})
    return Found(policies=found, partitions=partitions, present=present, refused=refused)


def _has_tenant(api: Admin) -> bool:
    # Only a superuser may list the tenants.
    try:
        return api.find(f"/admin/v2/namespaces/{TENANT}") is not None
    except ForbiddenError:
        return True


def decide(topology: Topology, found: Found) -> tuple[Step, ...]:
    """Return the requests that bring the target to what the topology says. Pure.

    Raises
    ------
    deployment.errors.DeploymentError
        A topic has more partitions than it should.
    """
    steps = list(_missing_places(found))
    there = found.policies or {}
    note = _fingerprint(topology)
    noted = (there.get("properties") or {}).get(NOTE)
    if not (found.refused or found.partitions or noted):
        steps += _same_bundles()
    if "policies" not in found.refused:
        steps += _policies(topology, there)
    if "topics" not in found.refused:
        grown = found.grown(topology)
        declared = [topic for topic in topology.topics if topic.name not in grown]
        steps += [step for topic in declared for step in _topic(topic, topology.partitions, found)]
    if noted == note:
        steps = [step if step.done == AGAIN else step.by_hand() for step in steps]
    elif not found.refused:
        steps.append(Step("", NOTE, (), "PUT", f"{PATH}/properties", {NOTE: note}))
    return tuple(steps)


def _missing_places(found: Found) -> Iterator[Step]:
    if not found.tenant:
        body = {"allowedClusters": list(found.clusters)}
        change = Change(f"tenant {TENANT}", "allowedClusters", None, body["allowedClusters"])
        yield Step("tenant created", TENANT, (change,), "PUT", f"/admin/v2/tenants/{TENANT}", body)
    if found.policies is None:
        yield Step("namespace created", NAMESPACE, (Change(PART, "", None, "created"),), "PUT", PATH, {})


def _same_bundles() -> list[Step]:
    """Return the requests after which all brokers know the same bundles of a namespace that nobody uses yet.

    A broker that was asked about it before it existed takes it for one bundle until it restarts, and the others for
    several: two brokers then hold the same topic. All read the bundles again when a local policy changes, and
    anti-affinity is one that the namespace doesn't use. They read as many as the namespace was made with. Seen with
    Pulsar 4.0.8 (`NamespaceBundleFactory`).
    """
    path = f"{PATH}/antiAffinity"
    return [Step("", "bundles", (), "POST", path, "none"), Step("", "bundles", (), "DELETE", path)]


def _policies(topology: Topology, there: Mapping[str, Any]) -> Iterator[Step]:
    for policy in policies(topology):
        value = there.get(policy.stored_as)
        changes = tuple(differences(PART, {policy.name: value}, {policy.name: policy.needed}))
        if changes:
            yield Step("policies set", policy.name, changes, "POST", f"{PATH}/{policy.name}", policy.body(value))
    for kind, quota in (there.get("backlog_quota_map") or {}).items():
        if quota.get("policy") == EVICTS:
            body = {**quota, "policy": "producer_request_hold"}
            changes = tuple(differences(PART, quota, {"policy": body["policy"]}, f"backlogQuota.{kind}."))
            yield Step(
                "policies set", "backlogQuota", changes, "POST", f"{PATH}/backlogQuota?backlogQuotaType={kind}", body
            )


def set_policies(topology: Topology, api: Admin) -> list[str]:
    """Set the policies that the functions rely on, and nothing else: some take a superuser.

    Returns
    -------
    list of str
        What was done, a line for each kind; empty if there was nothing to do.
    """
    return carry_out(list(_policies(topology, api.get(PATH))), api)


def _topic(topic: Topic, wanted: int, found: Found) -> Iterator[Step]:
    part, path = f"topic {topic.name}", f"{TOPICS}/{topic.name}"
    number = found.partitions.get(topic.name)
    change = Change(part, "partitions", number, wanted)
    if number is None:
        yield Step("topics created", topic.name, (change,), "PUT", f"{path}/partitions", wanted)
        return
    if number > wanted:
        raise DeploymentError(
            f"Topic {topic.name} has {number} partitions, but topics.yaml says {wanted}. Pulsar can't remove"
            f" partitions: write at least {number} into topics.yaml."
        )
    names = [f"partition {each}" for each in range(number) if f"{topic.name}-partition-{each}" not in found.present]
    if names:
        changes = tuple(Change(part, name, None, "made again, empty") for name in names)
        yield Step(AGAIN, topic.name, changes, "POST", f"{path}/createMissedPartitions")
    if number < wanted:
        yield Step("partitions added", topic.name, (change,), "POST", f"{path}/partitions", wanted)


def _fingerprint(topology: Topology) -> str:
    wanted = {
        "policies": {policy.name: policy.needed for policy in policies(topology)},
        "topics": [topic.name for topic in topology.topics],
        "partitions": topology.partitions,
    }
    return hashlib.sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()


def carry_out(steps: Sequence[Step], api: Admin) -> list[str]:
    """Send the requests.

    Returns
    -------
    list of str
        What was done, a line for each kind.

    Raises
    ------
    connection.errors.PulsarError
        Pulsar can't be reached, or refuses.
    deployment.errors.DeploymentError
        This role may not do one of them.
    """
    done: dict[str, list[str]] = {}
    for step in steps:
        try:
            if step.method == "PUT":
                api.create(step.path, step.body)
            elif step.method == "DELETE":
                api.delete(step.path)
            else:
                api.post(step.path, step.body)
        except ForbiddenError as error:
            raise DeploymentError(f"{error} Somebody who may has to prepare it: ./deploy.sh prepare.") from error
        if step.done:
            done.setdefault(step.done, []).append(step.name)
    return [f"{kind}: {', '.join(names)}" for kind, names in done.items()]
