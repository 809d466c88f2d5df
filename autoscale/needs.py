"""Says how many instances a load needs, by CPU, backlog, memory and disk. Pure.

An instance computes on one core (docs/decisions/0011-one-thread-computes-at-a-time.md), so the cores that all instances
keep busy say how many are needed. Where a function rather waits, for a payment gateway or a database, its CPU says
little; then a backlog that lasts does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from autoscale.load import LEAST_WAITING, Limits, Load

CPU_TARGET = 0.7
"""The share of its cores that an instance shall keep busy: the rest is for peaks, and for what the mean hides."""
CPU_LESS = 0.8
"""Fewer instances must stay below this share of the target, so that the same load never asks for more again."""
MEMORY_MOST, MEMORY_LESS = 0.85, 0.7
"""Shares of an instance's memory: above the first it needs help, above the second none is taken from it."""
DISK_MOST, DISK_LESS = 0.9, 0.85
"""Used shares of a disk: above the first its instances need help from another machine, above the second none is taken
from them."""
ROOM = 1.25
"""A machine has room for an instance if it has this many times the memory of the largest one left."""
WAIT_S = 5.0
"""A backlog is what would take longer than this to process at the present rate."""
DRAIN_S = 60.0
"""A backlog shall be processed within this time."""


@dataclass(frozen=True)
class Need:
    """How many instances one look asks for.

    Attributes
    ----------
    more : int
        At least so many: a present number below it is too small.
    fewer : int
        At most so many: a present number above it is too large. Never below `more`.
    why : str
        What asks for `more`.
    """

    more: int
    fewer: int
    why: str


def capacity(load: Load, known_per_s: float | None) -> float | None:
    """Return the most messages a second that an instance can process.

    Parameters
    ----------
    load
        What was seen. While there is a backlog, what an instance does is all that it can.
    known_per_s
        What was known before; None until there was a backlog.
    """
    done_per_s = (load.done_per_s or 0.0) / load.wanted
    if load.wait_s > WAIT_S:
        return done_per_s
    return None if known_per_s is None else max(known_per_s, done_per_s)


def proved(load: Load, limits: Limits, known_per_s: float) -> float:
    """Return the most messages a second that an instance processes without being busy or behind.

    An instance takes what waits in groups, so a message costs far less CPU when many come. At a low rate its CPU
    therefore says little, and the same messages cost several instances more than one.

    Parameters
    ----------
    load, limits
        What was seen, and what the function may have. While there is a backlog, an instance can't do more than it does.
    known_per_s
        What was known before.
    """
    done_per_s = (load.done_per_s or 0.0) / load.wanted
    if load.wait_s > WAIT_S:
        return min(known_per_s, done_per_s)
    if not load.cpu_cores or sum(load.cpu_cores) / load.wanted > CPU_TARGET * limits.cores:
        return known_per_s
    return max(known_per_s, done_per_s)


def need(load: Load, limits: Limits, capacity_per_s: float | None, proved_per_s: float) -> Need:
    """Return how many instances a load needs, within the bounds.

    Parameters
    ----------
    load, limits
        What was seen, and what the function may have.
    capacity_per_s, proved_per_s
        See `capacity` and `proved`.
    """
    asking = [
        *_by_cpu(load, limits, proved_per_s),
        *_by_backlog(load, capacity_per_s),
        *_by_memory(load, limits),
        *_by_disk(load),
    ]
    nearest = limits.bounds.nearest
    first = max(asking, key=lambda each: each.more)
    return Need(nearest(first.more), nearest(max(each.fewer for each in asking)), first.why)


def _by_cpu(load: Load, limits: Limits, proved_per_s: float) -> Iterable[Need]:
    """Yield what the CPU asks for; at least one instance."""
    if not load.cpu_cores:
        # An instance that starts, or whose runtime is older: none is taken away on a guess.
        yield Need(1, load.wanted, f"how busy the {load.wanted} are isn't known")
        return
    busy = sum(load.cpu_cores)
    target = CPU_TARGET * limits.cores
    each = f"{busy / load.wanted:.2f} of {limits.cores:g} cores busy in each of {load.wanted}"
    more, fewer = (max(1, math.ceil(busy / goal)) for goal in (target, CPU_LESS * target))
    if proved_per_s:
        by_rate = max(1, math.ceil(max(load.arrived_per_s or 0.0, load.done_per_s or 0.0) / (CPU_LESS * proved_per_s)))
        if by_rate <= load.wanted:
            more, fewer = min(more, by_rate), min(fewer, by_rate)
    yield Need(more, fewer, each)


def _by_backlog(load: Load, capacity_per_s: float | None) -> Iterable[Need]:
    """Yield what the messages that wait ask for."""
    arrived, done = load.arrived_per_s or 0.0, load.done_per_s or 0.0
    if (load.waiting or 0) >= LEAST_WAITING and not done:
        # Work may take longer than what was looked at.
        yield Need(1, load.wanted, "")
    elif load.wait_s > WAIT_S:
        asked = load.wanted * (arrived + (load.waiting or 0) / DRAIN_S) / done
        # Twice as many at most: what the others would do is a guess.
        more = min(2 * load.wanted, math.ceil(asked - 0.1))
        why = f"{load.waiting:,} messages wait, {load.wait_s:.0f} s of work at {done:,.0f} a second"
        yield Need(more, max(more, load.wanted), why)
    elif capacity_per_s:
        fewer = math.ceil(max(arrived, done) / (CPU_LESS * capacity_per_s))
        # It asks for no more, and takes none away that the rate needs.
        yield Need(1, max(1, fewer), "")


def _by_memory(load: Load, limits: Limits) -> Iterable[Need]:
    """Yield what the memory asks for."""
    if limits.ram_bytes is None or not load.memory_bytes:
        return
    share = max(load.memory_bytes) / limits.ram_bytes
    if share > MEMORY_MOST:
        why = f"an instance uses {share:.0%} of its memory of {_megabytes(limits.ram_bytes)}"
        yield Need(load.wanted + 1, load.wanted + 1, why)
    elif share > MEMORY_LESS:
        yield Need(1, load.wanted, "")


def _by_disk(load: Load) -> Iterable[Need]:
    """Yield what the disks ask for: another instance helps only if it can be on another machine.

    Where instances share a worker already, Pulsar's scheduler would put one more there as well.
    """
    full = max(load.disk_share.values(), default=0.0)
    if load.workers is None or load.workers < 2 or full <= DISK_LESS:
        return
    if full > DISK_MOST and len(set(load.on)) == load.wanted < load.workers:
        yield Need(load.wanted + 1, load.wanted + 1, f"a worker's disk is {full:.0%} full")
    else:
        yield Need(1, load.wanted, "")


def no_room(load: Load) -> str:
    """Return why no worker could take another instance; empty if one could."""
    if not load.memory_bytes or not load.free_memory_bytes or load.has_another_worker:
        return ""
    wanted, free = ROOM * max(load.memory_bytes), max(load.free_memory_bytes.values())
    if free >= wanted:
        return ""
    return f"no worker has the memory for another instance: {_megabytes(free)} left, {_megabytes(wanted)} needed"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"
