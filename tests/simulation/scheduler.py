"""One thread, many actors: a seeded scheduler that decides at every step who goes on, and a clock that only it moves.

Each stage of each instance is an actor, a greenlet that runs the real code. The code never knows: where it would wait for
something outside, the stand-ins for PostgreSQL, Pulsar and time hand over to the scheduler (`pause`, `until`, `wait`).
"""

import threading
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import greenlet

START_S = 1_767_225_600.0
"""Time of day at which every simulation begins, in Unix seconds."""
BURST = 0.6
"""How often an actor goes on for another step before others are looked at."""


class Stuck(AssertionError):
    """Nobody can go on, or it takes more steps than it may."""


class Actor:
    """Something that runs, step by step.

    Parameters
    ----------
    name
        Shown in a trace.
    owner
        What it belongs to: actors of one owner end together.
    run
        What it does.
    useful
        Whether there is any sense in waking it up when it sleeps; None for always.
    """

    def __init__(self, name: str, owner: Any, run: Callable[[], None], useful: Callable[[], bool] | None) -> None:
        self.name = name
        self.owner = owner
        self.useful = useful
        self.dead = False
        self.last = "start"
        self.next = ""
        self.turns = 0
        self.condition: Callable[[], bool] | None = None
        self.wake = 0.0
        self.greenlet = greenlet.greenlet(run)


class Scheduler:
    """Decides who goes on.

    Parameters
    ----------
    random
        Draws everything.
    between
        Called between any two steps, outside of every actor: the place where things are broken.

    Attributes
    ----------
    pairs
        How often an actor went from one named step to the next, and how often others ran in between, or it died there:
        ``(kind of actor, step, next step, "went on" | "others ran" | "died")``.
    trace
        What happened, where somebody wants to know: ``(seconds, actor, step)``.
    """

    def __init__(self, random: Random, between: Callable[[], None] = lambda: None) -> None:
        self.random = random
        self.between = between
        self.now = START_S
        self.actors: list[Actor] = []
        self.pairs: Counter[tuple[str, str, str, str]] = Counter()
        self.trace: list[tuple[float, str, str]] | None = None
        self.steps = 0
        self._hub = greenlet.getcurrent()
        self._current: Actor | None = None

    # -- what actors call

    def pause(self, step: str) -> None:
        """Let others go on before this step."""
        actor = self._current
        if actor is None or actor.dead:
            return
        actor.next = step
        turns = self.steps
        self._hub.switch()
        others = self.steps - turns > 1
        self.pairs[actor.name, actor.last, step, "others ran" if others else "went on"] += 1
        actor.last = step
        self.note(step)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let others go on until something holds."""
        actor = self._current
        if actor is None or actor.dead:
            return
        actor.next, actor.condition = f"waits for {what}", condition
        self._hub.switch()

    def sleep(self, event: threading.Event, seconds: float) -> bool:
        """Let time pass, at most so much; True as soon as the event is set."""
        actor = self._current
        if actor is None or actor.dead or event.is_set() or seconds <= 0:
            return event.is_set()
        actor.next, actor.wake = f"sleeps {seconds:.2f} s", self.now + seconds
        actor.condition = event.is_set
        self._hub.switch()
        return event.is_set()

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append((self.now - START_S, self._current.name if self._current else "-", what))

    # -- what the world calls

    def spawn(self, name: str, owner: Any, run: Callable[[], None], useful: Callable[[], bool] | None = None) -> None:
        """Add an actor."""
        self.actors.append(Actor(name, owner, run, useful))

    def kill(self, owner: Any) -> None:
        """End all actors of an owner where they are; their code does nothing more."""
        for actor in [each for each in self.actors if each.owner is owner]:
            self.actors.remove(actor)
            actor.dead = True
            if actor.next and actor.condition is None:
                self.pairs[actor.name, actor.last, actor.next, "died"] += 1
            if actor is not self._current and actor.greenlet:
                actor.greenlet.throw()

    def run(self, done: Callable[[], bool], limit: int) -> None:
        """Step actors until ``done``. Raises `Stuck` after ``limit`` steps, or when nobody can ever go on."""
        limit += self.steps
        while not done():
            if self.steps >= limit:
                raise Stuck(f"it goes on and on: {[f'{each.name}: {each.next}' for each in self.actors]}")
            actor = self._choose()
            self._step(actor)
            self.between()
            while not actor.dead and actor.condition is None and self.random.random() < BURST and actor in self.actors:
                self._step(actor)
                self.between()

    def _step(self, actor: Actor) -> None:
        self.steps += 1
        actor.condition = None
        actor.wake = 0.0
        self._current = actor
        try:
            actor.greenlet.switch()
        finally:
            self._current = None
        if actor.greenlet.dead and not actor.dead:
            actor.dead = True
            self.actors.remove(actor)

    def _choose(self) -> Actor:
        while True:
            now = self.now
            ready = [
                actor
                for actor in self.actors
                if actor.condition is None
                or actor.condition()
                or (actor.wake and actor.wake <= now and (actor.useful is None or actor.useful()))
            ]
            if ready:
                return ready[int(self.random.random() * len(ready))]
            wakes = [
                actor.wake for actor in self.actors if actor.wake > now and (actor.useful is None or actor.useful())
            ]
            if not wakes:
                raise Stuck(f"nobody can go on: {[f'{each.name}: {each.next}' for each in self.actors]}")
            self.now = min(wakes)


class SimulatedClock:
    """The scheduler's time, as the runtime's code asks for it."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self._scheduler.now

    def now_ms(self) -> int:
        """Unix milliseconds."""
        return int(self._scheduler.now * 1000)

    def wait(self, stopping: threading.Event, seconds: float) -> bool:
        """Let time pass; see `Clock.wait`."""
        return self._scheduler.sleep(stopping, seconds)
