"""Sample changes of orders for the tests of Reporting, Reporting's handlers, and its reports."""

import logging
from collections.abc import Callable, Sequence
from typing import Any
from unittest.mock import patch

from alpes_runtime import Done, Event
from alpes_runtime.postgres import Postgres
from functions.reporting.child import SILENT_S, Limits
from functions.reporting.domain import Pedido
from functions.reporting.handlers import ReportingHandlers
from functions.reporting.making.request import Request
from functions.reporting.reports import Reports
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import periodo
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado

HANDLERS = ReportingHandlers("t", lambda: 1_767_225_700_000)
LIMITS = Limits(seconds=60, memory_mb=512)


def cambio(order_id: str = "a", version: int = 2, status: str = "aprobada", **changes: Any) -> Cambio:
    made = Cambio(order_id, 42, status, 1250, "USD", version, 1_767_225_600_123, 1_767_225_601_000 + version)
    return made._replace(**changes)


def actualizar(database: Postgres, *batch: Cambio) -> None:
    with database.transaction() as transaction:
        assert HANDLERS.actualizar(transaction, batch) == [Done()] * len(batch)


class Published:
    """Keeps what is published ahead of the last part."""

    def __init__(self, stops_after: int = 10**9) -> None:
        self.events: list[Event] = []
        self._stops_after = stops_after

    def publish(self, events: Sequence[Event]) -> bool:
        self.events += events
        return len(self.events) < self._stops_after


def maker(
    dsn: str,
    limits: Limits = LIMITS,
    published: Published | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Reports:
    return Reports(
        topic="t",
        publisher=published or Published(),
        dsn=lambda: dsn,
        application="alpes reporting 0 report",
        limits=limits,
        now_ms=lambda: 1_767_225_700_000,
        stopping=stopping,
        logger=logging.getLogger("test"),
    )


def request(dsn: str, name: str, *, report: str = "orders", filters: Any = (), **period: str) -> Request:
    covered = periodo(*(period.get(key, "") for key in ("start", "end", "tz", "by")))
    limits = (covered.from_ms, covered.to_ms, covered.zone.key, covered.by)
    return Request(report, name, dict(filters), 1_767_225_700_000, *limits, 60, dsn)


def made(dsn: str, name: str = "csv", limits: Limits = LIMITS, **asked: Any) -> list[ReporteGenerado]:
    """Have a report made by its process, and return its parts: those of the content, and none for the waiting."""
    published = Published()
    with patch("functions.reporting.reports.SIGN_S", SILENT_S):
        answer = maker(dsn, limits, published).ask(Pedido("r", name, "", **asked))
    assert isinstance(answer, Event), answer
    parts = [ReporteGenerado.FromString(event.payload) for event in [*published.events, answer]]
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    return parts
