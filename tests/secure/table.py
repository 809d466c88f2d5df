"""Reads the tables of docs/security.md that say who may do what."""

import re
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
YES, NO = "yes", "–"


def cells(heading: str) -> list[tuple[str, str, bool]]:
    """Return row, column and whether it is allowed, of each cell of the table below a heading."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n### {heading}\n")[2]
    lines = [line for line in text.partition("\n#")[0].splitlines() if line.startswith("|")]
    (_, *columns), _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    found = []
    for row, *values in rows:
        assert len(values) == len(columns), row
        for column, value in zip(columns, values, strict=True):
            assert value in {YES, NO}, (row, column, value)
            found.append((row, re.sub("`", "", column), value == YES))
    return found
