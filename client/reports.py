"""Asks Reporting for a report and waits for its parts. Which kinds and formats there are is Reporting's business."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from alpes_wire import Message
from client.spool import Asked
from client.tracing import traced
from connection.client import Client
from connection.tail import Tail
from schemas.tienda.periodo import Periodo
from schemas.tienda.topics import GENERAR_REPORTE, REPORTE_GENERADO, full_name
from schemas.tienda.v1.reporting_pb2 import GenerarReporte, ReporteGenerado
from terminal.errors import NoAnswerError

WAIT_S = 0.2
PARTS_WAITING = 16
"""Parts that may wait to be written; more wait at the broker."""


class Wish(NamedTuple):
    """A report that somebody wants.

    Attributes
    ----------
    format, report
        Names of a format and of a kind of report, passed on unchanged.
    periodo
        What it is to cover.
    filters
        What its orders must have, by the filter's name.
    """

    format: str
    periodo: Periodo
    report: str = "orders"
    filters: Mapping[str, str] = {}

    def asked(self, report_id: str) -> Asked:
        """Return what the report must be."""
        return Asked(report_id, self.periodo, self.report, bool(self.filters))


def command(report_id: str, wish: Wish) -> GenerarReporte:
    """Return the command for a report. Its times have an offset: Reporting's time zones may be of another version."""
    periodo = wish.periodo
    limits: dict[str, Any] = {"from": periodo.shown(periodo.from_ms), "to": periodo.shown(periodo.to_ms)}
    return GenerarReporte(
        report_id=report_id,
        format=wish.format,
        tz=periodo.zone.key,
        by=periodo.by,
        report=wish.report,
        filters=wish.filters,
        **limits,
    )


def new_report_id() -> str:
    """Return an id that no other report has."""
    return str(uuid.uuid4())


def fetch_report(
    client: Client,
    report_id: str,
    wish: Wish,
    take: Callable[[ReporteGenerado], bool],
    timeout_s: float,
    stop: threading.Event,
) -> bool:
    """Ask for a report, and hand its parts over as they come.

    Parameters
    ----------
    client
        A connected Pulsar client.
    report_id
        See `new_report_id`.
    wish
        The report.
    take
        Takes a part, and returns whether the report is whole; see `Spool.take`.
    timeout_s
        Give up when no part has arrived for this long.
    stop
        Give up when this is set.

    Returns
    -------
    bool
        False if stopped.

    Raises
    ------
    NoAnswerError
        If no part arrived in time.
    """
    parts: queue.Queue[ReporteGenerado] = queue.Queue(PARTS_WAITING)
    ended = threading.Event()

    def arrived(_topic: str, message: Message, _arrived_ns: int) -> None:
        try:
            part = ReporteGenerado.FromString(message.data())
        except DecodeError:
            return
        while part.report_id == report_id and not (ended.is_set() or stop.is_set()):
            try:
                parts.put(part, timeout=WAIT_S)
            except queue.Full:
                continue
            return

    try:
        with Tail(client, [REPORTE_GENERADO], arrived):
            producer = client.create_producer(full_name(GENERAR_REPORTE))
            asking = command(report_id, wish)
            properties = traced(asking.traceparent, report_id, GENERAR_REPORTE)
            producer.send(asking.SerializeToString(), properties, partition_key=report_id)
            producer.close()
            return _taken(parts, take, timeout_s, stop)
    finally:
        ended.set()


def _taken(
    parts: queue.Queue[ReporteGenerado],
    take: Callable[[ReporteGenerado], bool],
    timeout_s: float,
    stop: threading.Event,
) -> bool:
    last_part = time.monotonic()
    while not stop.is_set():
        try:
            part = parts.get(timeout=WAIT_S)
        except queue.Empty:
            if time.monotonic() - last_part > timeout_s:
                raise NoAnswerError(
                    f"Reporting sent no part of the report for {timeout_s:g} s. See whether it runs, or makes other "
                    "reports first: ./deploy.sh status, ./deploy.sh logs reporting. A long report needs --timeout."
                ) from None
            continue
        if take(part):
            return True
        last_part = time.monotonic()
    return False
