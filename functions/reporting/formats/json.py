"""One JSON object: when it was made, what it covers, every order, and the totals per status and currency."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from functions.reporting.formats import Report, readable
from schemas.tienda import money

CONTENT_TYPE = "application/json"


def render(report: Report) -> Iterator[bytes]:
    """Yield the object, an order at a time; the totals come last, since they are added up on the way."""
    zone = report.periodo.zone
    totals: dict[str, dict[str, _Total]] = {}
    yield f'{json.dumps(_about(report))[:-1]},\n"orders": ['.encode()
    separator = "\n"
    for orden in report.ordenes:
        total = totals.setdefault(orden.status, {}).setdefault(orden.currency, _Total())
        total.orders += 1
        total.total_cents += orden.total_cents
        yield (separator + json.dumps(orden._asdict() | readable(orden, zone))).encode()
        separator = ",\n"
    shown = {
        status: {currency: total.shown(currency) for currency, total in by_currency.items()}
        for status, by_currency in totals.items()
    }
    yield f'\n],\n"totals": {json.dumps(shown, sort_keys=True)}}}\n'.encode()


@dataclass
class _Total:
    orders: int = 0
    total_cents: int = 0

    def shown(self, currency: str) -> dict[str, Any]:
        return {
            "orders": self.orders,
            "total_cents": self.total_cents,
            "total": money.total(self.total_cents, currency),
        }


def _about(report: Report) -> dict[str, Any]:
    """Return what comes before the orders: `from` and `to` are null where the period has no such end."""
    periodo = report.periodo
    return {
        "generated_at_ms": report.generated_at_ms,
        "generated_at": periodo.shown(report.generated_at_ms),
        "from": periodo.shown(periodo.from_ms),
        "to": periodo.shown(periodo.to_ms),
        "tz": periodo.zone.key,
        "by": periodo.by,
    }
