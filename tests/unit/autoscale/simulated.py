"""A function without a Pulsar: what it gets done, by its number of instances, and what the policy sees of it."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from autoscale.load import Limits, Load
from autoscale.policy import Decision, History, decide

LOOK_S = 5.0
RESTART_S = 6.0
"""Pulsar restarts all instances of a function whose number changes."""


@dataclass
class Simulated:
    """One function.

    Attributes
    ----------
    limits
        What it may have.
    each_per_s
        The most messages a second that an instance can process, because it waits for something.
    cpu_s
        The CPU that a message costs; an instance has one core.
    overhead_cores
        What an instance uses besides, as long as anything comes: groups of one message each.
    wobble
        How much what is measured differs from what is: 0.1 is up to 10 %.
    memory
        The memory of each instance, by the time.
    """

    limits: Limits
    each_per_s: float = float("inf")
    cpu_s: float = 0.0001
    wobble: float = 0.0
    overhead_cores: float = 0.0
    memory: Callable[[float], int] = lambda _now: 100_000_000
    free_memory: Callable[[float], int] = lambda _now: 8_000_000_000
    disk: Callable[[float], float] = lambda _now: 0.3
    workers: int = 1
    instances: int = 1
    seed: int = 1
    waiting: float = 0.0
    now_s: float = 0.0
    restarting_until_s: float = 0.0
    history: History = field(default_factory=History)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def run(self, seconds: float, rate: Callable[[float], float]) -> Iterator[tuple[float, Load, Decision]]:
        """Let time pass under a rate of messages; yield each look with its decision, which is carried out."""
        end = self.now_s + seconds
        while self.now_s < end:
            arrived, done = self._pass(rate)
            load = self._seen(arrived, done)
            decision, self.history = decide(load, self.limits, self.history)
            if decision.wanted != self.instances:
                self.instances = decision.wanted
                self.restarting_until_s = self.now_s + RESTART_S
            yield self.now_s, load, decision

    def _pass(self, rate: Callable[[float], float]) -> tuple[float, float]:
        self.now_s += LOOK_S
        arrived = LOOK_S * rate(self.now_s)
        able = 0.0
        if self.now_s >= self.restarting_until_s:
            able = LOOK_S * self.instances * min(self.each_per_s, 1 / self.cpu_s)
        done = min(able, self.waiting + arrived)
        self.waiting += arrived - done
        return arrived, done

    def _seen(self, arrived: float, done: float) -> Load:
        def measured(value: float) -> float:
            return value * (1 + self.wobble * (2 * self._random.random() - 1))

        runs = self.now_s >= self.restarting_until_s
        host = "worker-0"
        return Load(
            at_s=self.now_s,
            wanted=self.instances,
            running=self.instances if runs else 0,
            waiting=round(measured(self.waiting)),
            arrived_per_s=measured(arrived / LOOK_S),
            done_per_s=measured(done / LOOK_S),
            cpu_cores=tuple(
                measured(done * self.cpu_s / LOOK_S / self.instances + self.overhead_cores * bool(done))
                for _ in range(self.instances)
            ),
            memory_bytes=(self.memory(self.now_s),) * self.instances,
            free_memory_bytes={host: self.free_memory(self.now_s)},
            disk_share={host: self.disk(self.now_s)},
            workers=self.workers,
            on=(host,) * self.instances,
        )
