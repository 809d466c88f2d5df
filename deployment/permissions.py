"""Grants the roles of `permissions.yaml` and of the functions what they need. A second run changes nothing."""

import fnmatch
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from alpes_wire.names import DEAD_LETTER_SUFFIX
from connection.admin import Admin
from connection.errors import ForbiddenError, RefusedError
from deployment.errors import DeploymentError
from deployment.function_configs import PulsarFunctionConfig
from deployment.topology import TENANT, Topology
from schemas.tienda.topics import NAMESPACE

PATH = Path(__file__).with_name("permissions.yaml")
PRODUCE, CONSUME = "produce", "consume"
NAMED = 3
"""How many of the topics are named for which a role's rights changed."""


@dataclass(frozen=True)
class Permissions:
    """Who may do what.

    Attributes
    ----------
    deployer : str
        The tenant's administrator.
    topics : dict
        What each role may do with a topic, by the topic's local name: `produce`, `consume` or both.
    subscriptions : dict
        The roles that may use a function's subscription, by its name.
    """

    deployer: str
    topics: Mapping[str, Mapping[str, frozenset[str]]]
    subscriptions: Mapping[str, frozenset[str]]

    @property
    def roles(self) -> frozenset[str]:
        """All roles but the deployer, also those that may do nothing."""
        return frozenset(role for granted in self.topics.values() for role in granted)


def load(configs: Sequence[PulsarFunctionConfig], topology: Topology, path: Path = PATH) -> Permissions:
    """Read the permissions.

    Raises
    ------
    DeploymentError
        The file names a topic that isn't in `topics.yaml`.
    """
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    names = [topic.name for topic in topology.topics]
    rights = {role: _of_role(role, given or {}, names, path) for role, given in values["roles"].items()}
    rights |= {config.name: _of_function(config) for config in configs}
    topics = {
        name: {role: frozenset(action for action in given if name in given[action]) for role, given in rights.items()}
        for name in names
    }
    everywhere = {role for role, given in values["roles"].items() if (given or {}).get("subscriptions")}
    subscriptions = {config.subscription: frozenset({config.name, *everywhere}) for config in configs}
    return Permissions(str(values["deployer"]), topics, subscriptions)


def _of_role(role: str, given: Mapping[str, Any], names: Sequence[str], path: Path) -> dict[str, list[str]]:
    found = {}
    for action in (PRODUCE, CONSUME):
        asked = given.get(action) or []
        if unknown := [pattern for pattern in asked if not fnmatch.filter(names, pattern)]:
            raise DeploymentError(f"{path.name}: {role} may {action} {', '.join(unknown)}, which topics.yaml lacks.")
        found[action] = [name for pattern in asked for name in fnmatch.filter(names, pattern)]
    return found


def _of_function(config: PulsarFunctionConfig) -> dict[str, list[str]]:
    inputs = [_local(topic) for topic in config.inputs]
    named = [value for value in config.user_config.values() if str(value).startswith("persistent://")]
    outputs = [_local(topic) for topic in (config.output, *named) if topic]
    retries = [topic for topic in inputs if topic.startswith(f"{config.name}-")]
    return {CONSUME: inputs, PRODUCE: [*outputs, *retries, *(f"{topic}{DEAD_LETTER_SUFFIX}" for topic in inputs)]}


def _local(topic: str) -> str:
    return topic.rpartition("/")[2]


def prepare(permissions: Permissions, api: Admin) -> list[str]:
    """Create the tenant with its administrator, and the namespace; leave a tenant that this role may not change.

    Returns
    -------
    list of str
        One line for each change; empty when nothing was missing.
    """
    done = []
    # A tenant's administrator may grant, but not change who is one.
    with suppress(ForbiddenError):
        done += _prepare_tenant(permissions.deployer, api)
    if api.create(f"/admin/v2/namespaces/{NAMESPACE}", {}):
        done.append(f"namespace {NAMESPACE} created")
    return done


def _prepare_tenant(deployer: str, api: Admin) -> list[str]:
    path = f"/admin/v2/tenants/{TENANT}"
    found = api.find(path)
    if found is None:
        clusters = [cluster for cluster in api.get("/admin/v2/clusters") if cluster != "global"]
        api.create(path, {"adminRoles": [deployer], "allowedClusters": clusters})
        return [f"tenant {TENANT} created, with {deployer} as its administrator"]
    administrators = found.get("adminRoles") or []
    if deployer in administrators:
        return []
    api.post(path, {**found, "adminRoles": [*administrators, deployer]})
    return [f"{deployer} made an administrator of tenant {TENANT}"]


def grant(permissions: Permissions, api: Admin) -> list[str]:
    """Grant what is missing, and take back what is too much from the roles that the permissions name.

    Roles that they don't name are left alone.

    Returns
    -------
    list of str
        One line for each role that changed; empty when nothing was to be done.

    Raises
    ------
    DeploymentError
        This Pulsar has no authorization, or a topic doesn't exist yet, and Pulsar minds.
    """
    changed: dict[str, list[str]] = {}
    for topic, wanted in permissions.topics.items():
        path = f"/admin/v2/persistent/{NAMESPACE}/{topic}/permissions"
        there = {role: frozenset(actions) for role, actions in (api.find(path) or {}).items()}
        for role, actions in wanted.items():
            if there.get(role, frozenset()) == actions:
                continue
            if actions:
                _post(api, f"{path}/{role}", sorted(actions))
            else:
                api.delete(f"{path}/{role}")
            changed.setdefault(role, []).append(topic)
    path = f"/admin/v2/namespaces/{NAMESPACE}/permissions/subscription"
    known: dict[str, list[str]] = api.find(path) or {}
    for subscription, roles in permissions.subscriptions.items():
        if set(known.get(subscription) or ()) != roles:
            _post(api, f"{path}/{subscription}", sorted(roles))
            for role in roles:
                changed.setdefault(role, []).append(f"subscription {subscription}")
    return [f"{role}: {', '.join(what[:NAMED])}{_more(what)}" for role, what in changed.items()]


def _more(what: Sequence[str]) -> str:
    return f" and {len(what) - NAMED} more" if len(what) > NAMED else ""


def _post(api: Admin, path: str, body: Sequence[str]) -> None:
    try:
        api.post(path, body)
    except RefusedError as error:
        if error.code == HTTPStatus.NOT_IMPLEMENTED:
            raise DeploymentError(
                f"Pulsar at {api.url} has no authorization, so there is nothing to grant: everybody may do everything."
            ) from error
        if error.code == HTTPStatus.NOT_FOUND:
            raise DeploymentError(
                "A topic isn't there yet, and this Pulsar grants rights only to what is there: run ./deploy.sh deploy"
                " first, then this again. Until then the functions wait for their rights."
            ) from error
        raise
