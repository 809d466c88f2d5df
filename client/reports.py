"""Asks Reporting for a report and puts its parts together. Which formats there are is Reporting's business."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from alpes_wire import Message
from client.errors import ReportRefusedError
from client.tracing import traced
from connection.client import Client
from connection.tail import Tail
from schemas.tienda.periodo import Periodo
from schemas.tienda.topics import GENERAR_REPORTE, REPORTE_GENERADO, full_name
from schemas.tienda.v1.reporting_pb2 import GenerarReporte, ReporteGenerado
from terminal.errors import NoAnswerError

WAIT_S = 0.2


@dataclass(slots=True)
class _Generation:
    parts: dict[int, bytes] = field(default_factory=dict)
    last: int | None = None

    def whole(self) -> bool:
        return self.last is not None and all(number in self.parts for number in range(self.last + 1))


class ReportAssembler:
    """Puts one report together from its parts, which may come in any order and more than once. Pure.

    If Reporting generated the report several times, the parts of each generation are kept apart.

    Parameters
    ----------
    report_id
        The report; parts of others are ignored.
    asked
        The period that it must cover.
    """

    def __init__(self, report_id: str, asked: Periodo) -> None:
        self._report_id = report_id
        self._asked = asked
        self._generations: dict[int, _Generation] = {}

    def take(self, part: ReporteGenerado) -> bytes | None:
        """Add a part.

        Returns
        -------
        bytes or None
            The report, if this part made it whole.

        Raises
        ------
        ReportRefusedError
            If the part says why there is no report, or the report covers another period.
        """
        if part.report_id != self._report_id:
            return None
        if part.error:
            raise ReportRefusedError(f"Reporting refused: {part.error}")
        if problem := _other_period(part, self._asked):
            raise ReportRefusedError(problem)
        generation = self._generations.setdefault(part.generated_at_ms, _Generation())
        generation.parts[part.part] = part.content
        if part.last:
            generation.last = part.part
        if not generation.whole() or generation.last is None:
            return None
        return b"".join(generation.parts[number] for number in range(generation.last + 1))


def _other_period(part: ReporteGenerado, asked: Periodo) -> str:
    """Return how the period of a report differs from the one that was asked for, empty if it is the same."""
    from_ms = part.from_ms if part.HasField("from_ms") else None
    to_ms = part.to_ms if part.HasField("to_ms") else None
    if not asked.bounded or (from_ms, to_ms, part.by) == (asked.from_ms, asked.to_ms, asked.by):
        return ""
    if not part.tz:
        return (
            "Reporting is of a version that makes no reports of a period: this one has all orders. Update it with "
            "./deploy.sh deploy, or ask without --from and --to."
        )
    covered = f"orders {part.by} from {asked.shown(from_ms)} to {asked.shown(to_ms)}"
    return f"Reporting made a report of another period: {covered}. Ask again."


def command(report_id: str, report_format: str, asked: Periodo) -> GenerarReporte:
    """Return the command for a report. Its times have an offset: Reporting's time zones may be of another version."""
    limits = {"from": asked.shown(asked.from_ms), "to": asked.shown(asked.to_ms)}
    return GenerarReporte(report_id=report_id, format=report_format, tz=asked.zone.key, by=asked.by, **limits)


def fetch_report(
    client: Client, report_format: str, asked: Periodo, timeout_s: float, stop: threading.Event
) -> bytes | None:
    """Ask for a report and wait for it.

    Parameters
    ----------
    client
        A connected Pulsar client.
    report_format
        The format's name, passed on unchanged.
    asked
        The period that it is to cover.
    timeout_s
        Give up when no part has arrived for this long.
    stop
        Give up when this is set.

    Returns
    -------
    bytes or None
        The report; None if stopped.

    Raises
    ------
    NoAnswerError
        If no part arrived in time.
    ReportRefusedError
        If Reporting can't make it, or knows no periods and one was asked for.
    """
    report_id = str(uuid.uuid4())
    parts: queue.SimpleQueue[ReporteGenerado] = queue.SimpleQueue()

    def take(_topic: str, message: Message, _arrived_ns: int) -> None:
        try:
            part = ReporteGenerado.FromString(message.data())
        except DecodeError:
            return
        if part.report_id == report_id:
            parts.put(part)

    assembler = ReportAssembler(report_id, asked)
    with Tail(client, [REPORTE_GENERADO], take):
        producer = client.create_producer(full_name(GENERAR_REPORTE))
        asking = command(report_id, report_format, asked)
        properties = traced(asking.traceparent, report_id, GENERAR_REPORTE)
        producer.send(asking.SerializeToString(), properties, partition_key=report_id)
        producer.close()
        last_part = time.monotonic()
        while not stop.is_set():
            try:
                part = parts.get(timeout=WAIT_S)
            except queue.Empty:
                silent_s = time.monotonic() - last_part
                if silent_s > timeout_s:
                    raise NoAnswerError(
                        f"Reporting sent no report within {timeout_s:g} s. "
                        "See whether it runs: ./deploy.sh status, ./deploy.sh logs reporting."
                    ) from None
                continue
            last_part = time.monotonic()
            if (whole := assembler.take(part)) is not None:
                return whole
    return None
