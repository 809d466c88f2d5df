"""Reports how the functions are, for `status`: instances, restarts, what waits for them, and what holds them up."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connection import functions
from connection.admin import Admin
from connection.functions import Instances, Waiting
from deployment import instances
from deployment.function_configs import PulsarFunctionConfig
from deployment.target import Target, lacking


@dataclass(frozen=True)
class FunctionReport:
    """How one function is.

    Attributes
    ----------
    name : str
        The function.
    instances : Instances or None
        Its instances; None when it isn't deployed.
    pids : dict of int to list of int
        The processes of each instance, by the instance's number; empty on a cluster.
    waiting : tuple of Waiting
        The backlog of each input.
    halted : tuple of str
        The inputs that it has stopped taking, since its code fails on most of their messages.
    stuck : tuple of str
        What it tries in vain to reach: ``database`` or ``broker``, or a topic that refuses an event for its size.
    silent : tuple of str
        The inputs that deliver nothing, although messages wait in them that aren't delayed.
    lacks : str
        What must be made before it can be deployed, in a sentence; empty where nothing is missing.
    """

    name: str
    instances: Instances | None
    pids: dict[int, list[int]]
    waiting: tuple[Waiting, ...] = ()
    halted: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    lacks: str = ""

    @property
    def runs(self) -> bool:
        """Whether all its instances run, and none is halted, stuck or silent."""
        found = self.instances
        all_run = found is not None and found.wanted == found.running
        return all_run and not (self.halted or self.stuck or self.silent)

    def as_json(self) -> dict[str, Any]:
        """Return the report for a script; its keys stay as they are."""
        found = self.instances
        return {
            "name": self.name,
            "deployed": found is not None,
            "wanted": found.wanted if found else 0,
            "running": found.running if found else 0,
            "stopped": found.stopped if found else 0,
            "restarts": found.restarts if found else 0,
            "instances": [
                {**dataclasses.asdict(each), "pids": self.pids.get(each.number, [])}
                for each in (found.each if found else ())
            ],
            "waiting": [dataclasses.asdict(each) for each in self.waiting],
            "halted": list(self.halted),
            "stuck": list(self.stuck),
            "silent": list(self.silent),
            "lacks": self.lacks,
        }


def read(configs: Sequence[PulsarFunctionConfig], api: Admin, target: Target) -> list[FunctionReport]:
    """Ask the cluster about each function; on a local stack, look for its processes, too."""
    found = instances.find_settled(configs, api)
    return [_read(config, found[config.name], api, target) for config in configs]


def _read(config: PulsarFunctionConfig, found: Instances | None, api: Admin, target: Target) -> FunctionReport:
    pids = instances.processes(config, target.local) if target.local else {}
    lacks = lacking([config.dsn_variable]) if config.dsn_variable and config.dsn_variable not in target.dsns else ""
    if found is None:
        return FunctionReport(config.name, None, pids, lacks=lacks)
    waiting = tuple(
        functions.waiting(functions.topic_stats(api, topic), topic, config.subscription) for topic in config.inputs
    )
    troubles = functions.troubles(api, config.rest_path, waiting)
    halted, stuck, silent = (
        tuple(what for metric, what in troubles if metric == name) for name in ("halted", "stuck", "silent")
    )
    return FunctionReport(config.name, found, pids, waiting, halted, stuck, silent, lacks)


def lines(report: FunctionReport, start_command: str) -> list[str]:
    """Return the lines of a function's report for a person; `start_command` starts the function if it was stopped."""
    found, indent = report.instances, f"{'':<11}   "
    lacks = [f"{indent}{report.lacks}"] if report.lacks else []
    if found is None:
        return [f"{report.name:<11} not deployed", *lacks]
    numbers = [pid for pids in report.pids.values() for pid in pids]
    processes = f", process{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}" if numbers else ""
    error = f", {found.error}" if found.error else ""
    text = [f"{report.name:<11} {found.running} of {found.wanted} running, {found.restarts} restarts{processes}{error}"]
    if found.stopped:
        text.append(f"{indent}STOPPED: somebody stopped {found.stopped} of {found.wanted}. Start with: {start_command}")
    for each in report.waiting:
        later = f", {each.not_due} not due yet" if each.not_due else ""
        text.append(f"{indent}{each.topic:<22} {'-' if each.messages is None else each.messages:>8} waiting{later}")
    text += [
        f"{indent}HALTED: takes nothing more from {topic}, since its code fails on most of the messages. Nothing is"
        f" lost: deploy a fixed version. What failed: ./deploy.sh logs {report.name}"
        for topic in report.halted
    ]
    text += [f"{indent}{_stuck(what, report.name)}" for what in report.stuck]
    text += [
        f"{indent}SILENT: messages wait in {topic}, and an instance asks for them but gets none. Another consumer of"
        " the subscription holds them, or the broker delivers them to nobody. Which messages, and why: alpes reconcile"
        for topic in report.silent
    ]
    return text + lacks


def _stuck(what: str, name: str) -> str:
    if what not in {"database", "broker"}:
        return (
            f"STUCK: withholds an event that topic {what} refuses for its size; all else goes on. Nothing is lost:"
            f" raise the topic's limit (maxMessageSize). How large the event is: ./deploy.sh logs {name}"
        )
    return (
        f"STUCK: can't use the {what}. Nothing is lost: it tries again, and goes on by itself once it can."
        f" The error: ./deploy.sh logs {name}"
    )
