"""Records what an instance uses and has left: CPU, memory and disk. Whoever scales the function reads it.

Pulsar's own metrics of a Python instance have its CPU and memory too, but a worker hands them on without saying which
instance they are of. User metrics come through ``functions stats`` of any worker, by instance.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ._context import InstanceContext

EVERY_S = 5.0
"""Seconds between two records; the CPU is the average over them."""
CPU_CORES = "use.cpu_cores"
"""User metric: its sum is the cores that the instance's own code kept busy. A report's process isn't counted: it has
the lowest priority."""
MEMORY_BYTES = "use.memory_bytes"
"""User metric: its sum is the resident memory of the instance and of the processes that it started."""
FREE_MEMORY_BYTES = "use.free_memory_bytes"
"""User metric: its sum is what its machine has left, or where that is less the container that it shares with others."""
DISK_SHARE = "use.disk_share"
"""User metric: its sum is the used share, 0 to 1, of the fuller one of its two file systems: that of its code and that
of temporary files."""

PROC, CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


class Usage:
    """Keeps the metrics up to date: Pulsar only adds to a metric, so each change is recorded as a difference.

    Parameters
    ----------
    context
        The instance.
    cpu_s
        Returns the seconds of CPU that this process has used.
    """

    def __init__(self, context: InstanceContext, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._context = context
        self._cpu_s = cpu_s
        self._before = (context.clock.monotonic(), cpu_s())
        self._recorded: dict[str, float] = {}

    def watch(self) -> None:
        """Record again and again until the instance stops."""
        while not self._context.clock.wait(self._context.stopping, EVERY_S):
            self.record()

    def record(self) -> None:
        """Record what is used now. What this machine doesn't tell is left out."""
        now = (self._context.clock.monotonic(), self._cpu_s())
        passed_s, used_s = (new - old for new, old in zip(now, self._before, strict=True))
        if passed_s > 0:
            self._set(CPU_CORES, used_s / passed_s)
            self._before = now
        for metric, ask in (
            (MEMORY_BYTES, memory_bytes),
            (FREE_MEMORY_BYTES, free_memory_bytes),
            (DISK_SHARE, disk_share),
        ):
            try:
                self._set(metric, ask())
            except (OSError, ValueError, KeyError, IndexError):
                # No Linux, or a file that this user may not read.
                continue

    def _set(self, metric: str, value: float) -> None:
        self._context.record(metric, value - self._recorded.get(metric, 0.0))
        self._recorded[metric] = value


def memory_bytes(proc: Path = PROC) -> int:
    """Return the resident memory of this process and of those that it started."""
    page_bytes = os.sysconf("SC_PAGE_SIZE")
    found = 0
    for pid in ("self", *_children(proc)):
        try:
            found += int((proc / pid / "statm").read_text().split()[1]) * page_bytes
        except OSError:
            if pid == "self":
                raise
    return found


def _children(proc: Path) -> list[str]:
    """Return the ids of the processes that this one started; none where the kernel doesn't list them."""
    return [pid for path in (proc / "self" / "task").glob("*/children") for pid in path.read_text().split()]


def free_memory_bytes(proc: Path = PROC, cgroup: Path = CGROUP) -> int:
    """Return the memory that is left to the machine, or to the container (cgroup 2) where that is less.

    An instance that is its container's first process, as in a pod, has the container for itself. Another instance gets
    one of its own, so only the machine's memory counts.
    """
    lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
    free = {words[0]: int(words[1]) * 1024 for words in lines}["MemAvailable:"]
    if os.getpid() == 1:
        return free
    try:
        most, used = ((cgroup / name).read_text().strip() for name in ("memory.max", "memory.current"))
    except OSError:
        return free
    return free if most == "max" else min(free, max(0, int(most) - int(used)))


def disk_share() -> float:
    """Return the used share of the fuller one of the instance's two file systems."""
    disks = (shutil.disk_usage(folder) for folder in (Path(__file__).parent, tempfile.gettempdir()))
    return max(1 - disk.free / disk.total for disk in disks)
