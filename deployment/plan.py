"""Says what a deployment would change: namespace, topics, contracts, tables and functions. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from connection.admin import Admin
from deployment import databases, gate, namespace, packages, releases, topology
from deployment.change import Change
from deployment.function_configs import PulsarFunctionConfig
from deployment.target import Target


@dataclass(frozen=True)
class Form:
    """In which form functions are deployed.

    Attributes
    ----------
    with_functions : bool
        Whether they are, or only what they need: namespace, topics, contracts and tables.
    wheels : tuple of Path
        The packages that their zips bring; see `deployment.wheels`. Without any, the workers must have them.
    """

    with_functions: bool = True
    wheels: tuple[Path, ...] = ()


DEPLOYED = Form()


@dataclass(frozen=True)
class Plan:
    """What a deployment does. `deployment.deploy` carries it out.

    Attributes
    ----------
    steps : tuple of namespace.Step
        Requests for the tenant, the namespace and its topics.
    contracts : gate.Todo
        Schemas to register, and contracts to record.
    tables : tuple of Change
        Migrations to apply.
    releases : tuple of releases.Release
        What to do about each function.
    remarks : tuple of str
        What this role may not ask for, and what stays although it differs from this checkout.
    """

    steps: tuple[namespace.Step, ...]
    contracts: gate.Todo
    tables: tuple[Change, ...]
    releases: tuple[releases.Release, ...]
    remarks: tuple[str, ...] = ()

    @property
    def changes(self) -> list[Change]:
        """Every field that it changes, in the order in which it does."""
        of_topics = [change for step in self.steps for change in step.changes]
        of_functions = [change for release in self.releases for change in release.changes]
        return [*of_topics, *self.contracts.changes, *self.tables, *of_functions]


def make(
    configs: Sequence[PulsarFunctionConfig],
    target: Target,
    api: Admin,
    permission: gate.Permission | None = None,
    form: Form = DEPLOYED,
) -> Plan:
    """Ask the target what is there, and decide what to change.

    Parameters
    ----------
    permission
        Leave to break contracts; see `deployment.gate.check`.
    form
        In which form functions are deployed, if at all.

    Raises
    ------
    deployment.errors.DeploymentError
        A contract would be broken, or a topic has too many partitions, or a database doesn't answer.
    connection.errors.PulsarError
        Pulsar can't be reached, or refuses.
    """
    functions = packages.build_all(configs, wheels=form.wheels) if form.with_functions else []
    released = tuple(releases.plan(functions, api))
    wanted = topology.load()
    contracts = gate.check(wanted, api, permission)
    found = namespace.read(wanted, api)
    return Plan(
        steps=namespace.decide(wanted, found),
        contracts=contracts,
        tables=tuple(databases.lacking(configs, target)),
        releases=released,
        remarks=(*_unknown(found), *_grown(found.grown(wanted)), *_scaled(released)),
    )


def _unknown(found: namespace.Found) -> list[str]:
    return [f"The namespace's {what} are taken as prepared: {why}" for what, why in found.refused.items()]


def _grown(names: Sequence[str]) -> list[str]:
    return [
        f"= topic {name}  was made by a producer, without a number of partitions: it works, and stays as it is"
        for name in names
    ]


def _scaled(released: Sequence[releases.Release]) -> list[str]:
    """Tell a parallelism that was set on the target, and stays."""
    return [
        f"= function {release.function.config.name}  parallelism: {release.parallelism} stays, as it was set there;"
        f" {release.function.config.path.name} says {release.function.config.parallelism}"
        for release in released
        if release.parallelism != release.function.config.parallelism and not release.remark
    ]
