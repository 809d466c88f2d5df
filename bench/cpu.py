"""What each process of the system costs: CPU seconds and memory, read from outside."""

import contextlib
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

import psutil

from bench.system import SERVICES, System
from local_stack import broker, postgres

BROKER, POSTGRES = "broker", "PostgreSQL"
ONE_CORE = 0.9
"""From this share of a core on a process of one Python thread at a time has none left."""


class Usage(NamedTuple):
    """What one part has used so far.

    Attributes
    ----------
    cpu_s
        CPU seconds, user and system.
    memory_bytes
        Resident. Of PostgreSQL the proportional share, as its processes share a buffer that each would count.
    pids
        Its processes; others later mean that it was restarted, and that its seconds began anew.
    """

    cpu_s: float
    memory_bytes: int
    pids: tuple[int, ...]


class Processes:
    """The processes of one system, by name: ``ordenes 0``, …, ``broker``, ``PostgreSQL``, and whatever is added.

    Parameters
    ----------
    system
        Whose. Of one on other machines there is nothing to be seen.
    more
        Further processes by name, such as the client's.
    """

    def __init__(self, system: System, more: Mapping[str, int] | None = None) -> None:
        self._system = system
        self._more = dict(more or {})
        self._found: dict[str, psutil.Process] = {}

    def find(self) -> None:
        """Look for all processes. Those of a function are found by their command line, which takes a while."""
        found = {name: psutil.Process(pid) for name, pid in self._more.items()}
        if self._system.local is not None:
            for name, note in ((BROKER, broker.pid_file), (POSTGRES, postgres.pid_file)):
                if (pid := note(self._system.local).running()) is not None:
                    found[name] = psutil.Process(pid)
            found |= instances(self._system.service_url)
        self._found = found

    def use(self) -> dict[str, Usage]:
        """Return what each has used; one that has gone is left out."""
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
    """Return ``ordenes 0`` of an instance's command line; empty for any other, and for another broker's."""
    if not any("python_instance_main" in word for word in command[:4]):
        return ""
    options = dict(pairwise(command))
    if options.get("--pulsar_serviceurl", "").rstrip("/") != service_url.rstrip("/"):
        return ""
    details = options.get("--function_details", "")
    function = next((name for name in SERVICES if f'"name":"{name}"' in details), "")
    return f"{function} {options.get('--instance_id', '?')}" if function else ""


def spent(before: Mapping[str, Usage], after: Mapping[str, Usage]) -> tuple[dict[str, float], list[str]]:
    """Return each part's CPU seconds between two looks, and the parts for which they can't be told. Pure.

    One that was restarted in between, or came or went, has no figure: what it used before is lost.
    """
    seconds, unknown = {}, []
    for name in sorted({*before, *after}):
        if name in before and name in after and before[name].pids == after[name].pids:
            seconds[name] = after[name].cpu_s - before[name].cpu_s
        else:
            unknown.append(name)
    return seconds, unknown


def by_kind(seconds: Mapping[str, float]) -> dict[str, float]:
    """Add up a function's instances: ``ordenes`` of ``ordenes 0`` and ``ordenes 1``. Pure."""
    total: dict[str, float] = {}
    for name, value in seconds.items():
        kind = name.split(" ")[0]
        total[kind] = total.get(kind, 0.0) + value
    return total


def machine_busy_s() -> float:
    """Return the CPU seconds that all cores have spent at work since the machine started."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Guests are counted in user and nice already.
    return float(sum(times) - idle - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0))


def saturated(seconds: Mapping[str, float], elapsed_s: float, cores: int, busy_s: float | None = None) -> list[str]:
    """Name what has no room left. Pure.

    Parameters
    ----------
    seconds
        CPU seconds of each process.
    elapsed_s
        In how much time.
    cores
        Of the machine.
    busy_s
        CPU seconds of the whole machine; the sum of the processes' without.

    Returns
    -------
    list of str
        Processes whose one interpreter or thread pool uses nearly a core, the busiest first, and ``machine`` when all
        cores together are used up. Empty when all of them wait for something.
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
    """Add a process and all below it; of those that have ended their parent knows."""
    cpu_s, memory = _with_ended(process), _shared(process)
    for child in process.children(recursive=True):
        # A child that ends between the two looks is in its parent's figures at the next one.
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
