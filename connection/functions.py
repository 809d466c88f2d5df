"""Asks Pulsar how a function is: its instances, what waits for it, and what it says keeps it from getting on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from connection.admin import Admin

TROUBLE = re.compile(r"user_metric_(?P<metric>halted|stuck|silent)\.(?P<what>.+)_sum")
"""The runtime's user metrics, as Pulsar's function stats show them. `Trouble` says what each one means."""
DEATHS = "user_metric_deaths_sum"
"""Another one: see `Told`."""


@dataclass(frozen=True)
class Instance:
    """One instance of a function.

    Attributes
    ----------
    number : int
        Its number, from 0 on.
    running : bool
        Whether it runs.
    stopped : bool
        Whether somebody stopped it (`pulsar-admin functions stop`): only `functions start` starts it again.
    restarts : int
        How often the worker restarted it.
    error : str
        Why it doesn't run, as the worker says; often empty.
    worker : str
        The id of the function worker that has it; empty if that isn't known.
    """

    number: int
    running: bool
    stopped: bool
    restarts: int
    error: str
    worker: str = ""


@dataclass(frozen=True)
class Instances:
    """The instances of one function.

    Attributes
    ----------
    wanted, running : int
        How many there should be, and how many run.
    each : tuple of Instance
        Every instance that the worker knows of.
    """

    wanted: int
    running: int
    each: tuple[Instance, ...]

    @property
    def restarts(self) -> int:
        """How often the worker restarted one of them."""
        return sum(instance.restarts for instance in self.each)

    @property
    def stopped(self) -> int:
        """How many were stopped."""
        return sum(instance.stopped for instance in self.each)

    @property
    def error(self) -> str:
        """The first instance's error that isn't empty."""
        return next((instance.error for instance in self.each if instance.error), "")


@dataclass(frozen=True)
class Waiting:
    """The backlog of one input.

    Attributes
    ----------
    topic : str
        The input's local name.
    messages, not_due : int or None
        What waits for the function, and delayed messages whose time hasn't come; None without a subscription. Pulsar
        counts entries: messages that were published together are one.
    about : int or None
        About how many messages the entries that wait hold; None if that isn't known. See `messages_in`.
    """

    topic: str
    messages: int | None
    not_due: int | None
    about: int | None = None


class Trouble(NamedTuple):
    """What an instance reports.

    Attributes
    ----------
    metric : str
        ``halted``: it has stopped taking an input, since its code fails on most of the messages. ``stuck``: it tries in
        vain to reach a part, or a topic refuses an event for its size. ``silent``: an input delivers nothing, although
        messages wait in it.
    what : str
        The input, the part (``database`` or ``broker``), or the topic.
    """

    metric: str
    what: str


def instances(admin: Admin, path: str) -> Instances | None:
    """Return a function's instances as the function worker sees them; None when the function doesn't exist.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    path
        The function's path there, such as ``/admin/v3/functions/alpes/tienda/ordenes``.
    """
    status = admin.find(f"{path}/status")
    if status is None:
        return None
    return Instances(
        wanted=int(status.get("numInstances", 0)),
        running=int(status.get("numRunning", 0)),
        each=tuple(map(_instance, status.get("instances") or [])),
    )


def _instance(values: dict[str, Any]) -> Instance:
    status = values.get("status") or {}
    running, error = bool(status.get("running")), str(status.get("error") or "")
    return Instance(
        number=int(values["instanceId"]),
        running=running,
        # Of a stopped instance the worker knows nothing but itself. Of one that it starts or restarts it says more.
        stopped=not running and not error and "workerId" in status and "latestUserExceptions" not in status,
        restarts=int(status.get("numRestarts", 0)),
        error=error,
        worker=str(status.get("workerId") or ""),
    )


def state(admin: Admin, path: str, key: str) -> str:
    """Return a text in a function's state store; see `instances` for the other parameters.

    Raises
    ------
    RefusedError
        There is none, there is no such function, or the store can't answer now: the code and reason are Pulsar's.
    KeyError, TypeError
        The answer isn't Pulsar's, or the value is no text: Pulsar returns other values as a list of numbers.
    """
    return str(admin.ask(f"{path}/state/{quote(key, safe='')}")["stringValue"])


def topic_stats(admin: Admin, topic: str) -> dict[str, Any]:
    """Return the figures of a topic, all its partitions together if it has any; empty if it doesn't exist.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    topic
        Its full name, such as ``persistent://alpes/tienda/crear-orden``.
    """
    path = f"/admin/v2/{topic.replace('://', '/')}"
    return admin.find(f"{path}/partitioned-stats?perPartition=false") or admin.find(f"{path}/stats") or {}


def waiting(stats: dict[str, Any], topic: str, subscription: str) -> Waiting:
    """Return what waits for a subscription, from its topic's figures."""
    name = topic.rpartition("/")[2]
    found = (stats.get("subscriptions") or {}).get(subscription)
    if found is None:
        return Waiting(name, None, None)
    not_due = int(found.get("msgDelayed", 0))
    entries = max(0, int(found["msgBacklog"]) - not_due)
    return Waiting(name, entries, not_due, messages_in(entries, stats, subscription))


def messages_in(entries: int | None, stats: dict[str, Any], subscription: str) -> int | None:
    """Return about how many messages so many entries hold; None if that isn't known.

    Pulsar counts entries alone. So this goes by how many messages an entry of the subscription's consumers has held on
    average.
    """
    if not entries:
        return entries
    consumers = ((stats.get("subscriptions") or {}).get(subscription) or {}).get("consumers") or []
    averages = [float(each["avgMessagesPerEntry"]) for each in consumers if each.get("avgMessagesPerEntry")]
    return round(entries * max(1.0, sum(averages) / len(averages))) if averages else None


def set_parallelism(admin: Admin, path: str, instances: int) -> None:
    """Change a function's number of instances, and nothing else. Pulsar restarts all of them.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    path
        The function's path there, such as ``/admin/v3/functions/alpes/tienda/ordenes``.
    instances
        How many it shall have.
    """
    tenant, namespace, name = path.split("/")[-3:]
    change = {"tenant": tenant, "namespace": namespace, "name": name, "parallelism": instances}
    admin.put_form(path, "functionConfig", change)


class Told(NamedTuple):
    """What a function's instances report of themselves.

    Attributes
    ----------
    troubles : list of Trouble
        What keeps them from getting on.
    deaths : int
        How often they died, each within ten minutes before its start. The worker's `Instance.restarts` also counts
        instances that ended in good order or were moved.
    """

    troubles: list[Trouble]
    deaths: int


def troubles(admin: Admin, path: str, inputs: Iterable[Waiting]) -> list[Trouble]:
    """Return what keeps a function from getting on; see `told`."""
    return told(admin, path, inputs).troubles


def told(admin: Admin, path: str, inputs: Iterable[Waiting]) -> Told:
    """Return what a function's instances report; see `instances` for the other parameters.

    Parameters
    ----------
    inputs
        What waits for it: an instance can't tell delayed messages from messages that the broker doesn't deliver.
    """
    stats = admin.find(f"{path}/stats") or {}
    metrics = [(each.get("metrics") or {}).get("userMetrics") or {} for each in stats.get("instances") or []]
    found = {
        Trouble(match["metric"], match["what"])
        for each in metrics
        for name, value in each.items()
        if value > 0 and (match := TROUBLE.fullmatch(name))
    }
    silent = {Trouble("silent", each.topic) for each in inputs if each.messages == 0}
    return Told(sorted(found - silent), sum(int(each.get(DEATHS, 0)) for each in metrics))
