"""Decides how many instances a function should have, from what was seen of its load. Pure: it reads no clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from autoscale.load import Limits, Load
from autoscale.needs import DISK_MOST, WAIT_S, Need, capacity, need, no_room, proved

OUT_S = 15.0
"""So long must a need for more last."""
IN_S = 120.0
"""So long must a need for fewer last."""
SETTLE_S = 30.0
"""So long after a change nothing counts: instances start, take up what has waited, and compile what they need."""


@dataclass(frozen=True)
class History:
    """What the policy remembers of a function.

    Attributes
    ----------
    needs : tuple of (float, Need)
        What each look since the last change asked for, oldest first.
    settled_s : float
        From when on looks count.
    wanted : int or None
        How many instances the last look found wanted; None before the first.
    capacity_per_s : float or None
        The most messages a second that an instance can process, known once there was a backlog; see `needs.capacity`.
        It keeps instances that wait, whose CPU would not, from being taken away and given back in turn.
    proved_per_s : float
        The most messages a second that an instance processes without being busy or behind; see `needs.proved`.
    """

    needs: tuple[tuple[float, Need], ...] = ()
    settled_s: float = 0.0
    wanted: int | None = None
    capacity_per_s: float | None = None
    proved_per_s: float = 0.0

    def with_need(self, at_s: float, need: Need) -> History:
        """Add what a look asked for.

        What is older than the longest time that counts is left out, but for one: it shows that the looks go back so
        far.
        """
        needs = (*self.needs, (at_s, need))
        old = sum(at <= at_s - IN_S for at, _ in needs)
        return replace(self, needs=needs[max(0, old - 1) :])

    def covers(self, seconds: float) -> bool:
        """Whether the looks go back so far."""
        return self.needs[-1][0] - self.needs[0][0] >= seconds

    def last(self, seconds: float) -> list[Need]:
        """Return what the looks of the last seconds asked for, the newest last."""
        return [each for at, each in self.needs if at >= self.needs[-1][0] - seconds]


@dataclass(frozen=True)
class Decision:
    """How many instances a function shall have.

    Attributes
    ----------
    wanted : int
        The number.
    reason : str
        Why, in one line.
    kind : str
        A word for the reason, the same as long as the reason is; for logs that don't repeat themselves.
    """

    wanted: int
    reason: str
    kind: str


def decide(load: Load, limits: Limits, history: History, *, at_once: bool = False) -> tuple[Decision, History]:
    """Decide after one look.

    Parameters
    ----------
    load
        What was seen.
    limits
        What the function may have.
    history
        What the looks before left; `History()` at the first.
    at_once
        Whether to decide as if the load had long been as it is.

    Returns
    -------
    Decision, History
        What to do, and what to hand over at the next look.
    """
    first = history.wanted is None
    if history.wanted != load.wanted or load.running < load.wanted or load.restarted:
        # A change by whomever, or instances that start: what was seen before and is seen meanwhile says nothing.
        settled_s = load.at_s + (0 if first and load.running >= load.wanted else SETTLE_S)
        history = replace(history, needs=(), settled_s=settled_s, wanted=load.wanted)
    unfit = next(_unfit(load, limits, history, first=first), None)
    if unfit:
        return unfit, replace(history, needs=())
    known = capacity(load, history.capacity_per_s)
    safe = proved(load, limits, history.proved_per_s)
    wanted = need(load, limits, known, safe)
    history = replace(history, capacity_per_s=known, proved_per_s=safe).with_need(load.at_s, wanted)
    out_s, in_s = (0.0, 0.0) if at_once else (OUT_S, IN_S)
    return _more(load, history, out_s) or _fewer(load, history, in_s) or _same(load, limits, history), history


def _unfit(load: Load, limits: Limits, history: History, *, first: bool) -> Iterator[Decision]:
    """Yield why a look says nothing about how many instances the load needs."""
    now = load.wanted
    if load.stopped:
        yield Decision(now, "somebody stopped it, and a change would start it", "stopped")
    if load.running < now:
        yield Decision(now, f"{load.running} of {now} run", "starts")
    if load.at_s < history.settled_s:
        yield Decision(now, f"changed lately; looks count in {history.settled_s - load.at_s:.0f} s", "settles")
    if first:
        yield Decision(now, "the next look is compared with this one", "first")
    allowed = limits.bounds.nearest(now)
    if allowed != now:
        # Not earlier: `./deploy.sh` may still wait until the number that it has set runs.
        yield Decision(allowed, f"{now} instances are outside the bounds {limits.bounds}", "bounds")
    if load.troubles:
        # More instances would fail alike.
        yield Decision(now, f"it reports {', '.join(load.troubles)}: more instances would not help", "trouble")
    if load.waiting is None or load.done_per_s is None or load.arrived_per_s is None:
        yield Decision(now, "not enough is known of its load yet", "unknown")


def _more(load: Load, history: History, out_s: float) -> Decision | None:
    """Return a decision if the last look asks for more instances."""
    now, lately = load.wanted, history.last(out_s)
    if lately[-1].more <= now:
        return None
    least = min(lately, key=lambda each: each.more)
    if least.more <= now or not history.covers(out_s):
        return Decision(now, f"{lately[-1].why}, but not for {out_s:.0f} s yet", "waits for more")
    if lacks := no_room(load):
        return Decision(now, f"{least.why}, but {lacks}", "no room")
    return Decision(least.more, least.why, "more")


def _fewer(load: Load, history: History, in_s: float) -> Decision | None:
    """Return a decision if the last look would do with fewer instances."""
    now, lately = load.wanted, history.last(in_s)
    if lately[-1].fewer >= now:
        return None
    most = max(each.fewer for each in lately)
    if most >= now or not history.covers(in_s):
        return Decision(now, f"{lately[-1].fewer} would do, but not for {in_s:.0f} s yet", "waits for fewer")
    return Decision(most, f"{most} would have done for {in_s:.0f} s", "fewer")


def _same(load: Load, limits: Limits, history: History) -> Decision:
    """Return the decision to leave it as it is, with what holds it back if something does."""
    now, last = load.wanted, history.needs[-1][1]
    if now == limits.bounds.most and load.wait_s > WAIT_S:
        return Decision(now, f"{last.why}; {now} is the most that its bounds allow", "at most")
    full = max(load.disk_share.values(), default=0.0)
    if full > DISK_MOST:
        return Decision(now, f"a worker's disk is {full:.0%} full: make room there", "disk")
    return Decision(now, f"{now} suit: {last.why}", "suits")
