"""Deploys functions: makes a plan, checks the workers, carries the plan out, and waits until the functions run."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from connection.admin import Admin
from connection.functions import Instances
from deployment import (
    change,
    databases,
    function_logs,
    gate,
    instances,
    namespace,
    preflight,
    probe,
    releases,
    versions,
)
from deployment import plan as planning
from deployment.errors import StoppedError
from deployment.function_configs import PulsarFunctionConfig
from deployment.packages import Packaged
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import Target, pulsar_admin
from terminal import progress

# Each call of pulsar-admin is a JVM that keeps a core busy; the machine may have two.
CLI_AT_ONCE = 2
# A function that is about to start looks stopped for a moment, and for longer on a busy machine.
STOPPED_S = 10.0


@dataclass(frozen=True)
class Summary:
    """What a deployment did.

    Attributes
    ----------
    changed : list of str
        The functions that were created or updated.
    started_at_ms : int or None
        When the first of them was created or updated, in Unix milliseconds; None when all were unchanged.
    unchanged : bool
        Whether it changed nothing at all.
    """

    changed: list[str]
    started_at_ms: int | None
    unchanged: bool


def deploy(
    configs: Sequence[PulsarFunctionConfig],
    target: Target,
    permission: gate.Permission | None = None,
    form: planning.Form = planning.DEPLOYED,
) -> Summary:
    """Bring topics, tables and these functions to what this checkout says.

    Parameters
    ----------
    permission
        Leave to break contracts; without it, a deployment that would is refused.
    form
        In which form functions are deployed, if at all.

    Raises
    ------
    deployment.errors.DeploymentError
        Something prevents it. Nothing is created before the contracts and the workers have passed their checks.
    """
    with databases.alone(configs, target):
        return _deploy(configs, target, permission, form)


def _deploy(
    configs: Sequence[PulsarFunctionConfig], target: Target, permission: gate.Permission | None, form: planning.Form
) -> Summary:
    api = Admin(target.admin_url)
    cli = PulsarAdmin(pulsar_admin(target), api)
    if form.with_functions:
        require_not_stopped(configs, api, cli)
    _warn(target, api)
    plan = planning.make(configs, target, api, permission, form)
    for line in plan.remarks:
        progress.say(line)
    changing = [release for release in plan.releases if release.action != "unchanged"]
    if changing:
        _check([release.function for release in changing], target, api, cli, brings_packages=bool(form.wheels))
    _prepare(plan, configs, target, api)
    started_at_ms = int(time.time() * 1000) if changing else None
    with function_logs.explaining(target.local):
        if changing:
            names = ", ".join(f"{release.function.config.name} ({release.action})" for release in changing)
            with progress.step(f"Deploying {names}", f"Deployed {names}"):
                found = _release(plan.releases, target, api, cli)
        else:
            found = _release(plan.releases, target, api, cli)
    for release in plan.releases:
        name = release.function.config.name
        word = {"create": "created", "update": "updated", "unchanged": "unchanged"}[release.action]
        known = found[name]
        said = "; ".join(filter(None, (release.remark, instances.remark(known, release.parallelism))))
        remark = f" ({said})" if said else ""
        progress.say(f"  {name:<10} {word}, {known.running} of {known.wanted} running{remark}")
    return Summary([release.function.config.name for release in changing], started_at_ms, not plan.changes)


def show(configs: Sequence[PulsarFunctionConfig], target: Target, form: planning.Form = planning.DEPLOYED) -> bool:
    """Print what deploying these functions would change, field by field; return whether it would change anything.

    Parameters
    ----------
    form
        In which form functions would be deployed, if at all.

    Raises
    ------
    deployment.errors.DeploymentError
        Deploying would be refused.
    """
    api = Admin(target.admin_url)
    _warn(target, api)
    plan = planning.make(configs, target, api, form=form)
    for line in [*change.lines(plan.changes), *plan.remarks]:
        print(line)
    if plan.changes:
        hands = sum(each.by_hand for each in plan.changes)
        drift = f", {hands} of them {change.BY_HAND} since the last deployment" if hands else ""
        number = len(plan.changes)
        print(f"Deploying would change {number} field{'s' if number > 1 else ''}{drift}.")
    else:
        print("Unchanged: there is nothing to deploy.")
    if form.with_functions:
        require_not_stopped(configs, api, PulsarAdmin(pulsar_admin(target), api))
    return bool(plan.changes)


def _warn(target: Target, api: Admin) -> None:
    warning = versions.warning(target, api)
    if warning:
        progress.say(warning)


def _prepare(plan: planning.Plan, configs: Sequence[PulsarFunctionConfig], target: Target, api: Admin) -> None:
    """Bring namespace, topics, contracts and tables to what the plan says, and tell what was done."""
    drift = [each for each in plan.changes if each.by_hand]
    done = [*namespace.carry_out(plan.steps, api), *gate.apply(plan.contracts, api, target.service_url)]
    done += databases.apply(configs, target) if plan.tables else []
    for line in [*done, *change.lines(drift)]:
        progress.say(f"  {line}")


def require_not_stopped(configs: Sequence[PulsarFunctionConfig], api: Admin, cli: PulsarAdmin) -> None:
    """Refuse to go on if somebody has stopped one of these functions.

    An update would start a stopped function, against the will of whoever stopped it.

    Raises
    ------
    deployment.errors.StoppedError
        A function is stopped; the message has the command that starts it.
    """
    found = instances.find_settled(configs, api, STOPPED_S)
    for config in configs:
        known = found[config.name]
        if known is not None and known.stopped:
            raise StoppedError(
                f"Nothing was done, because {config.name} is stopped ({known.stopped} of {known.wanted} instances),"
                f" and a deployment would start it. Start it with: {cli.line('start', *config.name_options)}"
            )


def _check(
    functions: Sequence[Packaged], target: Target, api: Admin, cli: PulsarAdmin, *, brings_packages: bool
) -> None:
    if target.local:
        preflight.check_local(functions, target.local)
    else:
        preflight.check_user_configs([function.config for function in functions])
        with progress.step("Checking the cluster's workers", "The cluster's workers: checked"):
            wanted = [function.config for function in functions]
            probe.check(wanted, target, api, cli, brings_packages=brings_packages)


def _release(plan: Sequence[releases.Release], target: Target, api: Admin, cli: PulsarAdmin) -> dict[str, Instances]:
    # The local check has made the state tables. On a cluster, each function's first instance makes its table. Functions
    # are created one after another there, since two at once would race to make the tables' common namespace.
    local = target.local is not None
    with ThreadPoolExecutor(CLI_AT_ONCE if local else 1) as pool:
        tasks = [pool.submit(_release_one, release, api, cli, local=local) for release in plan]
    for task in tasks:
        task.result()
    return {release.function.config.name: _wait(release, api) for release in plan}


def _release_one(release: releases.Release, api: Admin, cli: PulsarAdmin, *, local: bool) -> None:
    releases.carry_out(release, api, cli, has_state_table=local)
    if release.action == "create" and not local:
        _wait(release, api)


def _wait(release: releases.Release, api: Admin) -> Instances:
    replaced = release.action == "update"
    return instances.wait_running(release.function.config, api, release.parallelism, replaced=replaced)
