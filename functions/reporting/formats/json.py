"""One JSON object: when it was made, every order, and the totals per status."""

import json
from collections.abc import Iterator

from functions.reporting.formats import Report

CONTENT_TYPE = "application/json"


def render(report: Report) -> Iterator[bytes]:
    """Yield the object, an order at a time; the totals come last, since they are added up on the way."""
    totals: dict[str, dict[str, int]] = {}
    yield f'{{"generated_at_ms": {report.generated_at_ms},\n"orders": ['.encode()
    separator = "\n"
    for orden in report.ordenes:
        total = totals.setdefault(orden.status, {"orders": 0, "total_cents": 0})
        total["orders"] += 1
        total["total_cents"] += orden.total_cents
        yield (separator + json.dumps(orden._asdict())).encode()
        separator = ",\n"
    yield f'\n],\n"totals": {json.dumps(totals, sort_keys=True)}}}\n'.encode()
