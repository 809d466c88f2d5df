"""Deploys functions: plans, checks contracts and workers, makes topics and tables, creates or updates, waits."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from connection.admin import Admin
from connection.functions import Instances
from deployment import databases, function_logs, gate, instances, packages, preflight, probe, releases, topology
from deployment.errors import StoppedError
from deployment.function_configs import PulsarFunctionConfig
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
    """

    changed: list[str]
    started_at_ms: int | None


def deploy(
    configs: Sequence[PulsarFunctionConfig], target: Target, permission: gate.Permission | None = None
) -> Summary:
    """Bring topics, tables and these functions to what this checkout says.

    Parameters
    ----------
    permission
        Leave to break contracts; without it, a deployment that would is refused.

    Raises
    ------
    deployment.errors.DeploymentError
        Something prevents it. Nothing is created before the contracts and the workers have passed their checks.
    """
    api = Admin(target.admin_url)
    cli = PulsarAdmin(pulsar_admin(target), target.admin_url)
    require_not_stopped(configs, api, cli)
    functions = [preflight.Packaged(config, packages.build(config)) for config in configs]
    plans = releases.plan(functions, api)
    changing = [plan for plan in plans if plan.action != "unchanged"]
    wanted = topology.load()
    todo = gate.check(wanted, api, permission)
    if changing:
        _check([plan.function for plan in changing], target, api, cli)
    done = [*topology.apply(wanted, api), *gate.apply(todo, api, target.service_url), *databases.apply(configs, target)]
    for line in done:
        progress.say(f"  {line}")
    started_at_ms = int(time.time() * 1000) if changing else None
    with function_logs.explaining(target.local):
        if changing:
            names = ", ".join(f"{plan.function.config.name} ({plan.action})" for plan in changing)
            with progress.step(f"Deploying {names}", f"Deployed {names}"):
                found = _carry_out(plans, target, api, cli)
        else:
            found = _carry_out(plans, target, api, cli)
    for plan in plans:
        name = plan.function.config.name
        word = {"create": "created", "update": "updated", "unchanged": "unchanged"}[plan.action]
        remark = f" ({plan.remark})" if plan.remark else ""
        progress.say(f"  {name:<10} {word}, {found[name].running} of {plan.parallelism} running{remark}")
    return Summary([plan.function.config.name for plan in changing], started_at_ms)


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


def _check(functions: Sequence[preflight.Packaged], target: Target, api: Admin, cli: PulsarAdmin) -> None:
    if target.local:
        preflight.check_local(functions, target.local)
    else:
        preflight.check_user_configs([function.config for function in functions])
        with progress.step("Checking the cluster's workers", "The cluster's workers are ready: checked"):
            probe.check([function.config for function in functions], target, api, cli)


def _carry_out(plans: Sequence[releases.Plan], target: Target, api: Admin, cli: PulsarAdmin) -> dict[str, Instances]:
    # The local check has made the state tables. On a cluster, each function's first instance makes its table. Functions
    # are created one after another there, since two at once would race to make the tables' common namespace.
    local = target.local is not None
    with ThreadPoolExecutor(CLI_AT_ONCE if local else 1) as pool:
        tasks = [pool.submit(_carry_out_one, plan, api, cli, local=local) for plan in plans]
    for task in tasks:
        task.result()
    return {plan.function.config.name: _wait(plan, api) for plan in plans}


def _carry_out_one(plan: releases.Plan, api: Admin, cli: PulsarAdmin, *, local: bool) -> None:
    releases.carry_out(plan, api, cli, has_state_table=local)
    if plan.action == "create" and not local:
        _wait(plan, api)


def _wait(plan: releases.Plan, api: Admin) -> Instances:
    return instances.wait_running(plan.function.config, api, plan.parallelism, replaced=plan.action == "update")
