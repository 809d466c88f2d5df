"""The table of the cluster's faults: one line each, for docs/reliability.md (markdown) and for scripts (JSON)."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Line:
    """What one fault did.

    Attributes
    ----------
    fault
        What was broken.
    rate
        Orders a second.
    orders, duplicates, lost, paid_twice
        As in the table of the other faults, of all faults of one run together; -1 before they are known.
    longest_pause_s
        Longest time in which no order ended while some were under way.
    flow_again_s
        From the death of a process, or the end of an outage or a cut, until orders ended again without a pause.
    normal_again_s
        From there until no more orders were under way than usual.
    supervisor
        Which nodes ended by themselves and were started again.
    operator
        What a person had to do.
    verdict
        The checker's.
    """

    fault: str
    rate: float
    longest_pause_s: float
    flow_again_s: float
    normal_again_s: float
    supervisor: str
    operator: str
    orders: int = 0
    duplicates: int = 0
    lost: int = -1
    paid_twice: int = -1
    verdict: str = "unknown"


HEADINGS = {
    "fault": "fault",
    "rate": "orders/s",
    "orders": "orders",
    "duplicates": "duplicates delivered",
    "lost": "lost",
    "paid_twice": "paid twice",
    "longest_pause_s": "longest pause, s",
    "flow_again_s": "orders flow again after, s",
    "normal_again_s": "back to normal after, s",
    "supervisor": "a supervisor started",
    "operator": "an operator had to",
    "verdict": "verdict",
}


def markdown(lines: Sequence[Line]) -> str:
    """Return the lines as a table."""
    rows = [list(HEADINGS.values()), ["---"] * len(HEADINGS)]
    rows += [[_text(asdict(line)[name]) for name in HEADINGS] for line in lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def add(lines: Sequence[Line], folder: Path) -> None:
    """Add lines to ``cluster.md`` and ``cluster.json``, each in the place of an earlier one of that fault."""
    folder.mkdir(exist_ok=True)
    file = folder / "cluster.json"
    known = [Line(**each) for each in json.loads(file.read_text())] if file.exists() else []
    new = {line.fault for line in lines}
    every = [*(each for each in known if each.fault not in new), *lines]
    file.write_text(json.dumps([asdict(each) for each in every], indent=1) + "\n")
    (folder / "cluster.md").write_text(markdown(every) + "\n")


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
