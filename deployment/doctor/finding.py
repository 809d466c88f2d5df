"""What a check finds: a level, a fact and what to do. It needs the standard library alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, WARNING, PROBLEM, SKIPPED = "ok", "warning", "problem", "skipped"


@dataclass(frozen=True)
class Finding:
    """What was found about one part.

    Attributes
    ----------
    part : str
        What was looked at.
    level : str
        `OK`; `WARNING`: it works, and something should be done; `PROBLEM`; `SKIPPED`: it can't be looked at, for the
        reason that another finding tells.
    what : str
        The fact, in one line.
    advice : str
        What to do, in one line; empty where nothing is to be done.
    """

    part: str
    level: str
    what: str
    advice: str = ""


def ok(part: str, what: str) -> Finding:
    """Return that a part is as it should be."""
    return Finding(part, OK, what)


def warning(part: str, what: str, advice: str) -> Finding:
    """Return that a part works, and what should be done about it."""
    return Finding(part, WARNING, what, advice)


def problem(part: str, what: str, advice: str = "") -> Finding:
    """Return that a part does not work, and what to do."""
    return Finding(part, PROBLEM, what, advice)


def skipped(part: str, why: str) -> Finding:
    """Return that a part was not looked at, and why."""
    return Finding(part, SKIPPED, why)


def healthy(findings: Iterable[Finding]) -> bool:
    """Return whether no finding is a problem."""
    return not any(finding.level == PROBLEM for finding in findings)
