"""What was seen of a function's load at one moment, and what the function may have. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployment.function_configs import Bounds

LEAST_WAITING = 100
"""Fewer messages are no backlog."""


@dataclass(frozen=True)
class Load:
    """What was seen of a function at one moment.

    Attributes
    ----------
    at_s : float
        When, in seconds of a clock that never goes back.
    wanted, running : int
        How many instances it should have, and how many run.
    stopped : bool
        Whether somebody stopped it.
    restarted : bool
        Whether an instance was restarted since the look before, as a deployment does.
    troubles : tuple of str
        What keeps it from getting on, as it reports itself.
    waiting : int or None
        Messages that wait for it and are due: those that their sender delayed, such as timers, don't count.
    arrived_per_s, done_per_s : float or None
        Messages that became due, and that it processed, a second lately.
    cpu_cores : tuple of float
        The cores that each instance keeps busy; empty if that isn't known.
    memory_bytes : tuple of int
        The memory that each instance uses; empty if that isn't known.
    free_memory_bytes : dict of str to int
        The memory that is left to each of its workers' machines.
    disk_share : dict of str to float
        The used share of the disk of each of its workers' machines.
    workers : int or None
        How many workers the cluster has; None if that isn't known.
    on : tuple of str
        The worker of each instance.
    """

    at_s: float
    wanted: int
    running: int
    stopped: bool = False
    restarted: bool = False
    troubles: tuple[str, ...] = ()
    waiting: int | None = None
    arrived_per_s: float | None = None
    done_per_s: float | None = None
    cpu_cores: tuple[float, ...] = ()
    memory_bytes: tuple[int, ...] = ()
    free_memory_bytes: dict[str, int] = field(default_factory=dict)
    disk_share: dict[str, float] = field(default_factory=dict)
    workers: int | None = None
    on: tuple[str, ...] = ()

    @property
    def has_another_worker(self) -> bool:
        """Whether a worker exists that runs no instance of this function; also if that isn't known."""
        return self.workers is None or self.workers > len(set(self.on))

    @property
    def wait_s(self) -> float:
        """How long what waits would take at the present rate; 0 if it is no backlog."""
        if not self.waiting or self.waiting < LEAST_WAITING or not self.done_per_s:
            return 0.0
        return self.waiting / self.done_per_s


@dataclass(frozen=True)
class Limits:
    """What a function may have.

    Attributes
    ----------
    bounds : Bounds
        How many instances.
    cores : float
        The cores that each may keep busy; one at most.
    ram_bytes : int or None
        The memory that each may use; None if only the machine limits it.
    """

    bounds: Bounds
    cores: float = 1.0
    ram_bytes: int | None = None
