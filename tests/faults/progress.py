"""Judges by a probe's samples whether the system made progress during each fault, or soon after."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.faults.probes import HOLDS_S, Probe

PROGRESS = 100
"""How many orders must end during a fault that the system should survive."""
NOTICEABLE_S = 1.0
"""A shorter fault says nothing about progress."""


class Fault(NamedTuple):
    """A stretch of time in which something was broken.

    Attributes
    ----------
    start, end
        Unix seconds.
    total
        Whether nothing was expected to end meanwhile.
    """

    start: float
    end: float
    total: bool


def recoveries(probe: Probe, faults: Sequence[Fault], usual: int) -> list[float]:
    """Return of each fault how many seconds after it the flow was normal again.

    Parameters
    ----------
    probe
        What was seen.
    faults
        In the order of time.
    usual
        Orders that were under way before the first.

    Returns
    -------
    list of float
        Infinity where the next fault came before that was seen.
    """
    return [
        probe.recovered_after(fault.end, usual, until)
        for fault, until in zip(faults, _ends_of_sight(faults), strict=True)
    ]


def problems(probe: Probe, faults: Sequence[Fault], usual: int, *, rate: float, recovery_s: float) -> Iterator[str]:
    """Yield what went too slowly.

    A total outage must be got over in time, unless the next fault came before that could be seen: then nothing can be
    said of it. During any other fault that is long enough to notice, orders must end.

    Parameters
    ----------
    probe, faults, usual
        As for `recoveries`.
    rate
        Orders that came in a second: where these are few, few may have ended.
    recovery_s
        Within this time after a total outage the flow is normal again.
    """
    seen = zip(faults, recoveries(probe, faults, usual), _ends_of_sight(faults), strict=True)
    for number, (fault, recovery, until) in enumerate(seen, 1):
        lasted = fault.end - fault.start
        if fault.total:
            looked_at = recovery < float("inf") or until - fault.end >= recovery_s + HOLDS_S
            if looked_at and recovery > recovery_s:
                yield f"fault {number}: normal again only after {recovery:.1f} s, not within {recovery_s:.0f} s"
        elif lasted >= NOTICEABLE_S:
            ended = probe.ended_between(fault.start, fault.end)
            if ended < min(PROGRESS, rate * lasted / 4):
                yield f"fault {number}: {ended} orders ended in its {lasted:.1f} s"


def _ends_of_sight(faults: Sequence[Fault]) -> list[float]:
    """Return, for each fault, when the next one began; what happens until then is put down to it."""
    return [*(fault.start for fault in faults[1:]), float("inf")][: len(faults)]
