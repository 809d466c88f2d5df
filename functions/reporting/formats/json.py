"""One JSON object: when it was made, what it covers, every row, and the totals per status and currency."""

import json
from collections.abc import Iterator
from typing import Any

from functions.reporting.formats import Report, Table

CONTENT_TYPE = "application/json"


def render(report: Report) -> Iterator[bytes]:
    """Yield the object, a row at a time. The rows stand under the report's name; the totals, or null, come last.

    Raises
    ------
    ValueError
        The report's name is that of another member.
    """
    names = [column.name for column in report.table.columns]
    encode = json.JSONEncoder().encode
    described = report.described()
    if report.name in {*described, "totals"}:
        raise ValueError(f"JSON has something else under {report.name}: give the kind another name")
    yield f"{encode(described)[:-1]},\n{encode(report.name)}: [".encode()
    separator = "\n"
    for row in report.table.rows:
        yield (separator + encode(dict(zip(names, row, strict=True)))).encode()
        separator = ",\n"
    summed = report.related("by-status")
    totals = json.dumps(_totals(summed) if summed.columns else None, sort_keys=True)
    yield f'\n],\n"totals": {totals}}}\n'.encode()


def _totals(table: Table) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in table.rows:
        values = {column.name: value for column, value in zip(table.columns, row, strict=True)}
        found.setdefault(values.pop("status"), {})[values.pop("currency")] = values
    return found
