"""One thread, many actors: a seeded scheduler decides at every step which actor goes on, and alone moves the clock.

Each stage of each instance is an actor, a greenlet that runs the real code. The code doesn't notice: where it would
wait for something outside, the stand-ins for PostgreSQL, Pulsar and time hand over to the scheduler.
"""

import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import greenlet

START_S = 1_767_225_600.0
"""Time of day at which every simulation begins, in Unix seconds."""
SELDOM = {
    ("answer", "begin"),
    ("ask", "refunded"),
    ("refunded", "ask"),
    ("start", "acknowledge"),
    ("undo", "begin"),
}
"""Steps that seldom follow each other before the calm, and so are aimed at five times as often."""
KNOWN = 0.7
"""How often an actor that waits for nothing, if there is one, goes next before all others are looked at."""


Pair = tuple[str, str, str]
"""Kind of actor, step, next step."""


@dataclass(slots=True)
class Met:
    """How often, between two steps, an actor went on, others ran, or the actor died."""

    went_on: int = 0
    others_ran: int = 0
    died: int = 0

    def add(self, other: "Met") -> None:
        """Add further counts."""
        self.went_on += other.went_on
        self.others_ran += other.others_ran
        self.died += other.died


class Stuck(AssertionError):
    """No actor can go on although not all is done, or the run never ends."""


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
        self.condition: Callable[[], Any] | None = None
        self.wake = 0.0
        self.greenlet = greenlet.greenlet(run)
        self.switch = self.greenlet.switch

    @property
    def pair(self) -> Pair:
        """The two steps between which it stands."""
        return self.name, self.last, self.next

    @property
    def state(self) -> str:
        """What it does next, or waits for."""
        return self.next if self.condition is None else f"waits for {self.next}"


class Scheduler:
    """Decides which actor goes on.

    Parameters
    ----------
    random
        Draws everything.
    between
        Called between two steps, outside of every actor, as often as ``breaking`` says: the place where things are
        broken.

    Attributes
    ----------
    burst
        How often an actor goes on for another step before others are looked at.
    step_s
        How long a step takes, in seconds, so that no two happen at the same moment.
    breaking
        Chance that ``between`` is called between any two steps.
    aiming
        Chance that ``strike`` is called with an actor that is between two steps between which none of its kind has
        been yet: so that what is rare is interrupted, too.
    aims
        Pairs of steps between which ``strike`` is called with the first actor that is there, whatever is drawn.
    next_event
        Tells the next moment at which something happens by itself, such as a delayed message.
    pairs
        What happened between one named step of an actor and the next.
    trace
        What happened, where somebody wants to know: ``(seconds, actor, step)``.
    """

    def __init__(self, random: Random, between: Callable[[], None] = lambda: None) -> None:
        self.random = random
        self.between = between
        self.strike: Callable[[Actor], None] = lambda _actor: None
        self.burst = 0.6
        self.step_s = 0.001
        self.breaking = 0.0
        self.aiming = 0.0
        self.aims: Container[Pair] = ()
        self.next_event: Callable[[], float | None] = lambda: None
        self.now = START_S
        self.actors: list[Actor] = []
        self._runnable: list[Actor] = []
        self.pairs: dict[Pair, Met] = {}
        self.trace: list[tuple[float, str, str]] | None = None
        self.steps = 0
        self._hub = greenlet.getcurrent()
        self._current: Actor | None = None
        self._deferred: list[Callable[[], None]] = []
        self._breaks = False
        self._struck: Actor | None = None

    # -- what actors call

    def pause(self, step: str) -> None:
        """Let others go on before this step."""
        actor = self._current
        if actor is None or actor.dead:
            return
        draw = self.random.random
        pair = (actor.name, actor.last, step)
        if (met := self.pairs.get(pair)) is None:
            met = self.pairs[pair] = Met()
            if draw() < (5 * self.aiming if pair[1:] in SELDOM else self.aiming) or pair in self.aims:
                self._struck = actor
        if (breaks := draw() < self.breaking) or self._struck or self._deferred or draw() >= self.burst:
            actor.next = step
            self._breaks = breaks
            turns = self.steps
            self._hub.switch()
            if self.steps - turns > 1:
                met.others_ran += 1
            else:
                met.went_on += 1
        else:
            # What the hub would do, without the way there and back.
            self.steps += 1
            self.now += self.step_s
            met.went_on += 1
        actor.last = step
        if self.trace is not None:
            self.note(step)

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Let others go on until something holds."""
        actor = self._current
        if actor is None or actor.dead:
            return
        actor.next, actor.condition = what, condition
        self._hub.switch()

    def sleep(self, event: threading.Event, seconds: float) -> bool:
        """Let at most so much time pass; return True as soon as the event is set."""
        actor = self._current
        if actor is None or actor.dead or event.is_set() or seconds <= 0:
            return event.is_set()
        actor.next, actor.wake = "time", self.now + seconds
        actor.condition = event.is_set
        self._hub.switch()
        return event.is_set()

    def defer(self, act: Callable[[], None]) -> None:
        """Do something outside of all actors right after this step; only there an actor can be ended."""
        self._deferred.append(act)

    def note(self, what: str) -> None:
        """Add a line to the trace."""
        if self.trace is not None:
            self.trace.append((self.now - START_S, self._current.name if self._current else "-", what))

    # -- what the world calls

    def spawn(self, name: str, owner: Any, run: Callable[[], None], useful: Callable[[], bool] | None = None) -> None:
        """Add an actor."""
        actor = Actor(name, owner, run, useful)
        self.actors.append(actor)
        self._runnable.append(actor)

    def whereabouts(self) -> str:
        """Return where each actor stands."""
        return "; ".join(f"{actor.name}: {actor.state}" for actor in self.actors)

    def kill(self, owner: Any) -> None:
        """End all actors of an owner where they stand; their code does nothing more."""
        for actor in [each for each in self.actors if each.owner is owner]:
            self._remove(actor)
            if actor.next and actor.condition is None:
                self.pairs[actor.name, actor.last, actor.next].died += 1
            if actor.greenlet:
                actor.greenlet.throw()

    def freeze(self, owner: Any, seconds: float) -> None:
        """Let no actor of an owner go on for so long, as if its process were stopped.

        An actor within a put is spared, since its outcome isn't promised (docs/reliability.md).
        """
        until = self.now + seconds
        for actor in self.actors:
            if actor.owner is owner and not (actor.condition is None and actor.next == "put"):
                if actor.condition is None:
                    self._runnable.remove(actor)
                actor.condition = partial(self._thawed, until, actor.condition)
                actor.wake = max(actor.wake, until) if actor.wake else 0.0

    def hold(self, actor: Actor) -> None:
        """Let another actor go first. Until then nothing is broken that could end this one."""
        self.breaking = self.aiming = 0.0
        steps = self.steps
        self._runnable.remove(actor)
        actor.condition = lambda: self.steps > steps

    def _thawed(self, until: float, condition: Callable[[], Any] | None) -> Any:
        return self.now >= until and (condition is None or condition())

    def close(self) -> None:
        """End all actors, since a greenlet that stands still keeps its whole world in memory."""
        for actor in self.actors:
            actor.dead = True
            if actor.greenlet:
                actor.greenlet.throw()
        self.actors.clear()

    def run(self, done: Callable[[], bool], most: int) -> bool:
        """Step actors until nobody has anything at hand and all is ``done``; False where ``most`` steps aren't enough.

        Raises `Stuck` if no actor can ever go on.
        """
        last = self.steps + most
        while self._runnable or not done():
            if self.steps >= last:
                return False
            self._step(self._choose())
        return True

    def _step(self, actor: Actor) -> None:
        self.steps += 1
        self.now += self.step_s
        waited = actor.condition is not None
        if waited:
            actor.condition = None
            actor.wake = 0.0
        self._current = actor
        try:
            actor.switch()
        finally:
            self._current = None
        if actor.greenlet.dead:
            self._remove(actor)
        elif actor.condition is None:
            if waited:
                self._runnable.append(actor)
        else:
            if not waited:
                self._runnable.remove(actor)
            if self.random.random() < self.breaking:
                self._breaks = True
        if self._deferred or self._breaks or self._struck is not None:
            self._happen()

    def _happen(self) -> None:
        """Do what must be done outside of all actors."""
        while self._deferred:
            self._deferred.pop(0)()
        struck, self._struck = self._struck, None
        if self._breaks and not (struck and struck.pair in self.aims):
            self.between()
        self._breaks = False
        if struck is not None and not struck.dead:
            self.strike(struck)

    def _remove(self, actor: Actor) -> None:
        actor.dead = True
        self.actors.remove(actor)
        if actor in self._runnable:
            self._runnable.remove(actor)

    def _choose(self) -> Actor:
        while True:
            if self._runnable and self.random.random() < KNOWN:
                return self._runnable[int(self.random.random() * len(self._runnable))]
            now, actors = self.now, self.actors
            start = int(self.random.random() * len(actors))
            for some in (actors[start:], actors[:start]):
                for actor in some:
                    if (condition := actor.condition) is None or condition():
                        return actor
                    if 0 < actor.wake <= now and (actor.useful is None or actor.useful()):
                        return actor
            sleeping = [actor for actor in self.actors if actor.wake > now]
            wakes = [actor.wake for actor in sleeping if actor.useful is None or actor.useful()]
            if (event := self.next_event()) is not None and event > now:
                wakes.append(event)
            if not wakes:
                raise Stuck(f"nobody can go on: {self.whereabouts()}")
            self.now = min(wakes)


class SimulatedClock:
    """The scheduler's time as a `Clock` of the runtime."""

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
