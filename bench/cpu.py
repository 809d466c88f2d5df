"""Reads the CPU seconds and the memory of each process of the system, from outside."""

import contextlib
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import psutil

from bench.system import SERVICES, System
from local_stack import broker, postgres

BROKER, POSTGRES = "broker", "PostgreSQL"
ONE_CORE = 0.9
"""A process that runs one Python thread at a time is full from this share of a core on."""


class Usage(NamedTuple):
    """What one part of the system has used since it started.

    Attributes
    ----------
    cpu_s
        CPU seconds, user and system.
    memory_bytes
        Resident memory. Of PostgreSQL the proportional share (PSS), since each process would count the shared buffers.
    pids
        Its process. Another one later means that it was restarted, and that its seconds began at 0 again.
    """

    cpu_s: float
    memory_bytes: int
    pids: tuple[int, ...]


class Processes:
    """The processes of one system, by name: ``ordenes 0``, …, ``broker``, ``PostgreSQL``, and further ones.

    Parameters
    ----------
    system
        The system. Only a local stack's processes can be read.
    more
        Further processes' ids by name, such as the client's.
    """

    def __init__(self, system: System, more: Mapping[str, int] | None = None) -> None:
        self._system = system
        self._more = dict(more or {})
        self._found: dict[str, psutil.Process] = {}

    def find(self) -> None:
        """Look for all processes. This is slow: instances are found by their command lines."""
        found = {name: psutil.Process(pid) for name, pid in self._more.items()}
        if self._system.local is not None:
            for name, note in ((BROKER, broker.pid_file), (POSTGRES, postgres.pid_file)):
                if (pid := note(self._system.local).running()) is not None:
                    found[name] = psutil.Process(pid)
            found |= instances(self._system.service_url)
        self._found = found

    def use(self) -> dict[str, Usage]:
        """Return what each process has used, without those that have ended."""
        used = {}
        for name, process in self._found.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                used[name] = _family(process) if name == POSTGRES else _alone(process)
        return used


def instances(service_url: str) -> dict[str, psutil.Process]:
    """Return the function instances that are connected to this broker, by function and number."""
    found = {}
    for process in psutil.process_iter(["cmdline"]):
        name = instance_name(process.info["cmdline"] or [], service_url)
        if name:
            found[name] = process
    return found


def instance_name(command: list[str], service_url: str) -> str:
    """Return an instance's name, such as ``ordenes 0``, from its command line; empty if it isn't one of this broker."""
    if not any("python_instance_main" in word for word in command[:4]):
        return ""
    options = dict(pairwise(command))
    if options.get("--pulsar_serviceurl", "").rstrip("/") != service_url.rstrip("/"):
        return ""
    details = options.get("--function_details", "")
    function = next((name for name in SERVICES if f'"name":"{name}"' in details), "")
    return f"{function} {options.get('--instance_id', '?')}" if function else ""


def spent(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> tuple[dict[str, float], list[str]]:
    """Return each part's CPU seconds between two readings, and the parts for which they aren't known. Pure.

    They aren't known of a part that started, ended or was restarted in between.
    """
    seconds, unknown = {}, []
    for name in sorted({*before, *after}):
        if name in before and name in after and before[name].pids == after[name].pids:
            seconds[name] = after[name].cpu_s - before[name].cpu_s
        else:
            unknown.append(name)
    return seconds, unknown


def by_kind(seconds: Mapping[str, float]) -> dict[str, float]:
    """Add up the instances of each function: ``ordenes 0`` and ``ordenes 1`` become ``ordenes``. Pure."""
    total: dict[str, float] = {}
    for name, value in seconds.items():
        kind = name.split(" ")[0]
        total[kind] = total.get(kind, 0.0) + value
    return total


def machine_busy_s() -> float:
    """Return for how many CPU seconds all cores together have been busy since the machine started."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # User and nice already include guests.
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))


def saturated(seconds: Mapping[str, float], elapsed_s: float, cores: int, busy_s: float | None = None) -> list[str]:
    """Return the names of what is saturated. Pure.

    Parameters
    ----------
    seconds
        CPU seconds of each process.
    elapsed_s
        Over how many seconds.
    cores
        How many the machine has.
    busy_s
        CPU seconds of the whole machine; without it, the sum of the processes'.

    Returns
    -------
    list of str
        The instances that use nearly a whole core, the busiest first, and ``machine`` when all cores together are used
        up. Empty when nothing is saturated.
    """
    share = {name: value / elapsed_s for name, value in seconds.items()}
    functions = {name for name in share if name.split(" ")[0] in SERVICES}
    full = sorted((name for name in functions if share[name] >= ONE_CORE), key=lambda name: -share[name])
    used = (sum(seconds.values()) if busy_s is None else busy_s) / elapsed_s
    return full + (["machine"] if used >= ONE_CORE * cores else [])


def _alone(process: psutil.Process) -> Usage:
    times = process.cpu_times()
    return Usage(times.user + times.system, process.memory_info().rss, (process.pid,))


def _family(process: psutil.Process) -> Usage:
    """Add up a process and all its descendants. A parent's times include its children that have ended."""
    cpu_s, memory = _with_ended(process), _shared(process)
    for child in process.children(recursive=True):
        # A child that ends meanwhile is in its parent's times at the next reading.
        with contextlib.suppress(psutil.NoSuchProcess):
            cpu_s += _with_ended(child)
            memory += _shared(child)
    return Usage(cpu_s, memory, (process.pid,))


def _with_ended(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _shared(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.AccessDenied, AttributeError):
        return int(process.memory_info().rss)
