"""The table that the faults print: one line each, for people (markdown) and for documents (JSON)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

LINES: list["Line"] = []
"""What ran so far."""


@dataclass(frozen=True)
class Line:
    """What one fault did.

    Attributes
    ----------
    fault
        Its name.
    orders
        Distinct orders accepted.
    faults
        How often it was injected.
    duplicates
        Messages that topics hold more than once: sent again, delivered again, replayed.
    lost, paid_twice
        Orders.
    longest_pause_s
        Longest time in which no order ended while some were under way.
    ended_during
        Orders that ended from the first fault to the end of the last.
    recovery_s
        Longest time from a fault's end until no more orders were under way than usual.
    dead_lettered, invalid, conflicts
        Orders, and messages by what was wrong with them.
    verdict
        The checker's.
    seed
        What the fault was drawn from.
    """

    fault: str
    orders: int
    faults: int
    duplicates: int
    lost: int
    paid_twice: int
    longest_pause_s: float
    ended_during: int
    recovery_s: float
    dead_lettered: int
    invalid: int
    conflicts: int
    verdict: str
    seed: str


HEADINGS = {
    "fault": "fault",
    "orders": "orders",
    "faults": "faults injected",
    "duplicates": "duplicates delivered",
    "lost": "lost",
    "paid_twice": "paid twice",
    "longest_pause_s": "longest pause, s",
    "ended_during": "ended during it",
    "recovery_s": "back to normal after, s",
    "dead_lettered": "dead-lettered",
    "invalid": "invalid",
    "conflicts": "conflicts",
    "verdict": "verdict",
}


def markdown(lines: list[Line]) -> str:
    """Return the lines as a table."""
    rows = [list(HEADINGS.values()), ["---"] * len(HEADINGS)]
    for line in lines:
        values = asdict(line)
        rows.append([_text(values[name]) for name in HEADINGS])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def write(lines: list[Line], folder: Path, name: str = "faults") -> None:
    """Write ``<name>.md`` and ``<name>.json``."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.md").write_text(markdown(lines) + "\n")
    (folder / f"{name}.json").write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
