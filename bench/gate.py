"""Whether a run's ratios are still what they were: a ratio that falls by more than its noise fails. Pure.

Ratios, not rates: both sides of one are measured on the same machine within minutes, so another machine's baseline
holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.results import Result

LEAST_NOISE = 0.05
"""Of which no machine is free, however well three rounds agree."""
FORM = 1


@dataclass(frozen=True)
class Decision:
    """What is said of one ratio.

    Attributes
    ----------
    name
        Which.
    was, least
        The baseline, and what it may fall to.
    now
        What it is; None where it wasn't measured.
    """

    name: str
    was: float
    least: float
    now: float | None

    @property
    def holds(self) -> bool:
        """Whether it has not fallen."""
        return self.now is not None and self.now >= self.least

    def __str__(self) -> str:
        now = "not measured" if self.now is None else f"{self.now:.2f}"
        return f"{'ok    ' if self.holds else 'FELL  '} {self.name}: {now}, was {self.was:.2f}, least {self.least:.2f}"


def decide(baseline: Mapping[str, Any], result: Result) -> list[Decision]:
    """Compare a result with a baseline, ratio by ratio. One that the baseline doesn't know is not judged.

    Raises
    ------
    ValueError
        They are not of the same command and size.
    """
    if baseline.get("form") != FORM:
        raise ValueError(f"the baseline is not of form {FORM}")
    for what, theirs, ours in (
        ("command", baseline["command"], result.command),
        ("form", size(baseline["quick"]), size(bool(result.options.get("quick")))),
    ):
        if theirs != ours:
            raise ValueError(f"the baseline's {what} is {theirs} and the result's {ours}")
    decisions = []
    for name, was in baseline["ratios"].items():
        now = result.ratios.get(name)
        noise = max(LEAST_NOISE, was["noise"], now["noise"] if now else 0.0)
        decisions.append(Decision(name, was["median"], was["median"] * (1 - noise), now["median"] if now else None))
    return decisions


def baseline_of(result: Result) -> dict[str, Any]:
    """Make a baseline of a result.

    Raises
    ------
    ValueError
        It has no ratios.
    """
    if not result.ratios:
        raise ValueError(f"a result of {result.command} without ratios is no baseline: compare and skew have some")
    return {
        "form": FORM,
        "command": result.command,
        "quick": bool(result.options.get("quick")),
        "machine": result.environment.get("machine", {}),
        "git": result.environment.get("git", {}),
        "ratios": {name: {"median": each["median"], "noise": each["noise"]} for name, each in result.ratios.items()},
    }


def size(quick: bool) -> str:  # noqa: FBT001 - what it is called with
    """``quick`` or ``full``."""
    return "quick" if quick else "full"
