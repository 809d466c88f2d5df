"""Reports how the functions are, for `status`: instances, restarts, what waits for them, and what holds them up.

While a node is away, some questions have no answer. The rest of the report is there within seconds all the same, and
says what it lacks.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from connection import functions
from connection.admin import Admin
from connection.errors import AdminUnreachableError, PulsarError, RefusedError, SecurityError
from connection.functions import Instances, Waiting
from deployment import instances
from deployment.function_configs import PulsarFunctionConfig
from deployment.target import Target, lacking

T = TypeVar("T")

ANSWER_S = 5.0
"""Longest time for one answer in seconds. A node that is away gives none, and the others are no slower for it."""
AT_ONCE = 16
"""Questions that are asked at the same time, so that those without an answer don't add up."""


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
    deaths : int
        How often its instances died, each within ten minutes before its start.
    unknown : tuple of str
        What the cluster didn't answer, and why; the rest of the report is right without it.
    """

    name: str
    instances: Instances | None
    pids: dict[int, list[int]]
    waiting: tuple[Waiting, ...] = ()
    halted: tuple[str, ...] = ()
    stuck: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    lacks: str = ""
    deaths: int = 0
    unknown: tuple[str, ...] = ()

    @property
    def runs(self) -> bool:
        """Whether all its instances run and none is halted, stuck or silent, as far as all of that is known."""
        found = self.instances
        all_run = found is not None and found.wanted == found.running
        return all_run and not (self.halted or self.stuck or self.silent or self.unknown)

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
            "deaths": self.deaths,
            "instances": [
                {**dataclasses.asdict(each), "pids": self.pids.get(each.number, [])}
                for each in (found.each if found else ())
            ],
            "waiting": [dataclasses.asdict(each) for each in self.waiting],
            "halted": list(self.halted),
            "stuck": list(self.stuck),
            "silent": list(self.silent),
            "lacks": self.lacks,
            "unknown": list(self.unknown),
        }


def read(configs: Sequence[PulsarFunctionConfig], api: Admin, target: Target) -> list[FunctionReport]:
    """Ask the cluster about each function; on a local stack, look for its processes, too.

    Raises
    ------
    PulsarError
        Nothing at all is answered, or this role may not ask.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = [_Asked(config, api, pool) for config in configs]
        with ThreadPoolExecutor(len(asked)) as together:
            found = list(together.map(lambda each: each.report(target), asked))
    silent = [error for each in asked for error in each.errors]
    if silent and all(each.answers == 0 for each in asked):
        raise silent[0]
    return found


class _Asked:
    """The questions about one function, which are asked beside each other."""

    def __init__(self, config: PulsarFunctionConfig, api: Admin, pool: ThreadPoolExecutor) -> None:
        self._config = config
        self._api = api
        self._pool = pool
        self._instances = pool.submit(lambda: instances.find_settled([config], api)[config.name])
        self._inputs = [pool.submit(functions.topic_stats, api, topic) for topic in config.inputs]
        self._unknown: list[str] = []
        self.errors: list[PulsarError] = []
        self.answers = 0

    def report(self, target: Target) -> FunctionReport:
        """Wait for the answers, and put them together."""
        config = self._config
        found = self._answer(self._instances, "instances")
        pids = instances.processes(config, target.local) if target.local else {}
        lacks = lacking([config.dsn_variable]) if config.dsn_variable and config.dsn_variable not in target.dsns else ""
        if found is None and not self._unknown:
            return FunctionReport(config.name, None, pids, lacks=lacks)
        waiting = tuple(self._waiting())
        asked = self._pool.submit(functions.told, self._api, config.rest_path, waiting)
        told = self._answer(asked, "what holds it up") or functions.Told([], 0)
        halted, stuck, silent = (
            tuple(what for metric, what in told.troubles if metric == name) for name in ("halted", "stuck", "silent")
        )
        return FunctionReport(
            config.name, found, pids, waiting, halted, stuck, silent, lacks, told.deaths, tuple(self._unknown)
        )

    def _waiting(self) -> Iterator[Waiting]:
        for topic, stats in zip(self._config.inputs, self._inputs, strict=True):
            name = topic.rpartition("/")[2]
            answer = self._answer(stats, name)
            if answer is not None:
                yield functions.waiting(answer, topic, self._config.subscription)

    def _answer(self, asked: "Future[T]", what: str) -> T | None:
        """Return an answer; without one, note what is not known, and return None."""
        try:
            answer = asked.result()
        except SecurityError:
            raise
        except (AdminUnreachableError, RefusedError) as error:
            self._unknown.append(f"{what}: {error}")
            self.errors.append(error)
            return None
        self.answers += 1
        return answer


def lines(report: FunctionReport, start_command: str) -> list[str]:
    """Return the lines of a function's report for a person; `start_command` starts the function if it was stopped."""
    found, indent = report.instances, f"{'':<11}   "
    lacks = [f"{indent}{report.lacks}"] if report.lacks else []
    unknown = [f"{indent}NOT KNOWN: {each}" for each in report.unknown]
    if found is None:
        return [f"{report.name:<11} {'not known' if unknown else 'not deployed'}", *unknown, *lacks]
    numbers = [pid for pids in report.pids.values() for pid in pids]
    processes = f", process{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}" if numbers else ""
    workers = sorted({each.worker for each in found.each if each.worker}) if not report.pids else []
    on = f" on {', '.join(workers)}" if workers else ""
    error = f", {found.error}" if found.error else ""
    deaths = f", died {report.deaths} time{'s' if report.deaths > 1 else ''} lately" if report.deaths else ""
    told = f"{found.running} of {found.wanted} running{on}, {found.restarts} restarts{deaths}{processes}{error}"
    text = [f"{report.name:<11} {told}"]
    if found.stopped:
        text.append(f"{indent}STOPPED: somebody stopped {found.stopped} of {found.wanted}. Start with: {start_command}")
    for each in report.waiting:
        later = f", {each.not_due} not due yet" if each.not_due else ""
        text.append(f"{indent}{each.topic:<22} {_waits(each)}{later}")
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
    return text + unknown + lacks


def _waits(input_: Waiting) -> str:
    if input_.messages is None:
        return f"{'-':>8} waiting"
    if not input_.messages:
        return f"{0:>8} waiting"
    # Without a consumer, nobody knows how many messages its batches hold.
    batches = f"{input_.messages} batch{'es' if input_.messages > 1 else ''}"
    return f"{batches:>8} waiting" if input_.about is None else f"{input_.about:>8} waiting in {batches}"


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
