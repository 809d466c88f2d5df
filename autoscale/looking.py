"""Looks at a function's load: asks Pulsar for its figures, and makes rates of their differences."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoscale.load import Load
from connection import functions
from connection.admin import Admin
from connection.errors import RefusedError, SecurityError
from connection.functions import Waiting
from connection.usage import Usage, usage
from deployment.function_configs import PulsarFunctionConfig

WORKERS = "/admin/v2/worker/cluster"
PARTS = {"database", "broker"}
"""What a function is stuck without. Where only a topic refuses an event for its size, all else goes on."""
RATES_S = 15.0
"""Rates are of so long, and at least since the look before: a message's work may take longer than a look."""


@dataclass(frozen=True)
class Counters:
    """What is counted since some time, at one moment.

    Attributes
    ----------
    at_s : float
        The moment.
    arrived : int or None
        Messages that were sent to the inputs, as the broker counts them, without those that aren't due; None if an
        input has no figures.
    processed : dict of int to int
        Messages that each instance has processed since its start.
    """

    at_s: float
    arrived: int | None
    processed: Mapping[int, int]


class Looking:
    """Looks at functions again and again.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    clock
        Returns seconds and never goes back.
    """

    def __init__(self, admin: Admin, clock: Callable[[], float] = time.monotonic) -> None:
        self._admin = admin
        self._clock = clock
        self._before: dict[str, list[Counters]] = {}

    def workers(self) -> int | None:
        """Return how many function workers there are; None for those who may not ask."""
        try:
            workers: list[Any] = self._admin.get(WORKERS)
        except (SecurityError, RefusedError):
            return None
        return len(workers)

    def look(self, config: PulsarFunctionConfig, workers: int | None) -> Load | None:
        """Return a function's load, its rates over `RATES_S`; None if the function isn't deployed.

        Raises
        ------
        connection.errors.PulsarError
            Pulsar doesn't answer.
        """
        found = functions.instances(self._admin, config.rest_path)
        if found is None:
            self._before.pop(config.name, None)
            return None
        stats = {topic: functions.topic_stats(self._admin, topic) for topic in config.inputs}
        inputs = [functions.waiting(each, topic, config.subscription) for topic, each in stats.items()]
        uses = usage(self._admin, config.rest_path, found)
        now = Counters(
            self._clock(), arrived(stats.values(), inputs), {number: each.processed for number, each in uses.items()}
        )
        earlier = self._before.get(config.name, [])
        lately = [each for each in earlier if each.at_s >= now.at_s - RATES_S] or earlier[-1:]
        self._before[config.name] = [*lately, now]
        before = lately[0] if lately else None
        cpu_cores = tuple(each.cpu_cores for each in uses.values() if each.cpu_cores is not None)
        return Load(
            at_s=now.at_s,
            wanted=found.wanted,
            running=found.running,
            stopped=bool(found.stopped),
            restarted=bool(earlier) and restarted(earlier[-1], now),
            troubles=tuple(
                f"{metric} {what}"
                for metric, what in functions.troubles(self._admin, config.rest_path, inputs)
                if metric != "stuck" or what in PARTS
            ),
            waiting=_waiting(inputs),
            arrived_per_s=arrived_per_s(before, now),
            done_per_s=done_per_s(before, now),
            cpu_cores=cpu_cores if len(cpu_cores) == found.wanted else (),
            memory_bytes=tuple(each.memory_bytes for each in uses.values() if each.memory_bytes is not None),
            free_memory_bytes=_by_worker(uses.values(), "free_memory_bytes", min),
            disk_share=_by_worker(uses.values(), "disk_share", max),
            workers=workers,
            on=tuple(each.worker for each in uses.values()),
        )


def arrived(stats: Iterable[Mapping[str, Any]], inputs: Sequence[Waiting]) -> int | None:
    """Return the messages that were sent to all inputs, without those that aren't due yet. Pure."""
    counts: list[int] = []
    for each in stats:
        if "msgInCounter" not in each:
            return None
        counts.append(int(each["msgInCounter"]))
    return sum(counts) - sum(each.not_due or 0 for each in inputs)


def restarted(before: Counters, now: Counters) -> bool:
    """Whether an instance counts from zero again. Pure."""
    return any(processed < before.processed.get(number, 0) for number, processed in now.processed.items())


def arrived_per_s(before: Counters | None, now: Counters) -> float | None:
    """Return the messages that became due a second; None if that isn't known, as after a broker's restart. Pure."""
    if before is None or before.arrived is None or now.arrived is None or now.at_s <= before.at_s:
        return None
    # A timer that is set raises both of its numbers at different moments: no rate is below zero for that.
    return max(0.0, (now.arrived - before.arrived) / (now.at_s - before.at_s))


def done_per_s(before: Counters | None, now: Counters) -> float | None:
    """Return the messages that all instances processed a second; None at the first look. Pure.

    An instance that was restarted counts from zero, and so counts what it has done since.
    """
    if before is None or now.at_s <= before.at_s:
        return None
    done = 0
    for number, processed in now.processed.items():
        earlier = before.processed.get(number, 0)
        done += processed - earlier if processed >= earlier else processed
    return done / (now.at_s - before.at_s)


def _waiting(inputs: Sequence[Waiting]) -> int | None:
    """Return the messages that wait in all inputs and are due; None if no input has the subscription yet."""
    known = [each.about or each.messages for each in inputs if each.messages is not None]
    return sum(each or 0 for each in known) if known else None


def _by_worker(uses: Iterable[Usage], name: str, chosen: Callable[[list[Any]], Any]) -> dict[str, Any]:
    """Return a figure of each worker's machine, which its instances tell."""
    found: dict[str, list[Any]] = {}
    for each in uses:
        value = getattr(each, name)
        if value is not None:
            found.setdefault(each.worker, []).append(value)
    return {worker: chosen(values) for worker, values in found.items()}
