"""Compares a run's ratios with a baseline: a ratio that falls by more than its noise fails. Pure.

It compares ratios, not rates. Both sides of a ratio are measured on one machine within minutes, so a baseline of
another machine holds, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bench.results import Result

LEAST_NOISE = 0.05
"""The noise that every machine has, even where three rounds agree better."""
FORM = 1
"""Version of a baseline's format."""


@dataclass(frozen=True)
class Decision:
    """The judgement of one ratio.

    Attributes
    ----------
    name
        The ratio's name.
    was, least
        Its baseline, and the lowest value that holds.
    now
        Its value now; None where it wasn't measured.
    """

    name: str
    was: float
    least: float
    now: float | None

    @property
    def holds(self) -> bool:
        """Whether the ratio was measured, and has not fallen below `least`."""
        return self.now is not None and self.now >= self.least

    def __str__(self) -> str:
        now = "not measured" if self.now is None else f"{self.now:.2f}"
        return f"{'ok    ' if self.holds else 'FELL  '} {self.name}: {now}, was {self.was:.2f}, least {self.least:.2f}"


def decide(baseline: Mapping[str, Any], result: Result) -> list[Decision]:
    """Compare a result with a baseline, ratio by ratio. A ratio that the baseline doesn't have is not judged.

    Raises
    ------
    ValueError
        They are not of the same command and size, or the baseline has another format.
    """
    if baseline.get("form") != FORM:
        raise ValueError(f"the baseline's format is not {FORM}")
    for what, theirs, ours in (
        ("command", baseline["command"], result.command),
        ("form", size(baseline["quick"]), size(bool(result.options.get("quick")))),
    ):
        if theirs != ours:
            raise ValueError(f"the baseline's {what} is {theirs}, and the result's is {ours}")
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
        The result has no ratios.
    """
    if not result.ratios:
        raise ValueError(f"the result of {result.command} has no ratios; those of compare and skew have some")
    return {
        "form": FORM,
        "command": result.command,
        "quick": bool(result.options.get("quick")),
        "machine": result.environment.get("machine", {}),
        "git": result.environment.get("git", {}),
        "ratios": {name: {"median": each["median"], "noise": each["noise"]} for name, each in result.ratios.items()},
    }


def size(quick: bool) -> str:  # noqa: FBT001 - what it is called with
    """Return ``quick`` or ``full``."""
    return "quick" if quick else "full"
