"""`POST /reports` and `GET /reports/{id}`: asks Reporting for a report, and streams it."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from functools import partial
from http import HTTPStatus
from typing import Annotated

import pulsar
from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from api import reports
from api.backend import Backend, in_pool
from api.bodies import Body, documented_body, parsed, whole
from api.problems import WITH_BODY, Problem, documented
from api.waiting import MOST_WAIT_S
from client.reports import Wish
from client.reports import command as reports_command
from client.tracing import traced
from schemas.tienda.periodo import BY, CREATED, periodo
from schemas.tienda.times import UnknownTime
from schemas.tienda.topics import GENERAR_REPORTE, full_name
from schemas.tienda.v1.reporting_pb2 import GenerarReporte, ReporteGenerado

router = APIRouter(prefix="/reports", tags=["reports"])
RETRY_AFTER_S = 2
ORDERS = "orders"
SEND_TIMEOUT_MS = 10_000
_log = logging.getLogger(__name__)
_EXAMPLE = {"report": "orders", "format": "csv", "from": "2026-11-01", "filters": {"status": "aprobada"}}
ENDINGS = {"markdown": "md"}
"""Endings of the formats whose files aren't called as they are."""


class ReporteEnviado(Body):
    """A report as a client asks for it. Its names are those of `GenerarReporte`."""

    report: Annotated[str, Field(min_length=1, max_length=64, description="The kind, such as orders or by-day.")] = (
        ORDERS
    )
    format: Annotated[str, Field(min_length=1, max_length=64, description="Such as csv or json.")] = "csv"
    filters: Annotated[
        dict[str, Annotated[str, Field(max_length=128)]],
        Field(
            default_factory=dict,
            max_length=16,
            description="What the orders must have, by the filter's name, such as status.",
        ),
    ]
    from_: Annotated[
        str, Field(alias="from", max_length=64, description="Orders from this date or time on, ISO 8601.")
    ] = ""
    to: Annotated[str, Field(max_length=64, description="Orders before this date or time.")] = ""
    tz: Annotated[str, Field(max_length=64, description="IANA name of the time zone.")] = "UTC"
    by: Annotated[str, Field(json_schema_extra={"enum": list(BY)}, description="Which time of the order.")] = CREATED


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra={"requestBody": documented_body(ReporteEnviado, _EXAMPLE)},
    responses=documented(*WITH_BODY, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def ask(request: Request) -> JSONResponse:
    """Ask for a report: 202 once the broker has the command. `Location` is where the report will be."""
    backend: Backend = request.app.state.backend
    asked = parsed(ReporteEnviado, await whole(request))
    try:
        limits = periodo(asked.from_, asked.to, asked.tz, asked.by)
    except UnknownTime as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", str(error)) from None
    if not backend.deployed.is_set():
        raise _not_taken("Pulsar is away, or Alpes isn't deployed yet")
    report_id = reports.new_id(time.time_ns() // 1_000_000)
    command = reports_command(report_id, Wish(asked.format, limits, asked.report, asked.filters))
    try:
        await asyncio.to_thread(_send, backend.client, command)
    except (pulsar.PulsarException, *reports.FAILURES) as error:
        raise _not_taken(f"the broker has not confirmed it ({error})") from None
    return JSONResponse({"id": report_id}, HTTPStatus.ACCEPTED, {"Location": f"/reports/{report_id}"})


@router.get(
    "/{report_id}",
    response_class=Response,
    responses={
        200: {"description": "The report, in its format, as it comes from Reporting."},
        202: {"description": "The report isn't there yet: ask again."},
        **documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
    },
)
async def fetch(
    request: Request,
    report_id: str,
    wait: Annotated[int, Query(ge=0, le=MOST_WAIT_S, description="Wait so many seconds for its beginning.")] = 10,
) -> Response:
    """Stream a report. If its rest doesn't come, the connection is broken, so that no part is taken for the whole."""
    backend: Backend = request.app.state.backend
    reports.asked_at_ms(report_id)
    if not backend.deployed.is_set():
        raise _not_taken("Pulsar is away, or Alpes isn't deployed yet")
    if backend.streams.locked():
        raise _not_taken("as many reports are being streamed as may be")
    await backend.streams.acquire()
    stop = threading.Event()
    parts = reports.parts(backend.client, backend.admin, report_id, wait, stop)
    try:
        first = await in_pool(backend.readers, next, parts, None)
    except BaseException as error:
        _end(backend, stop)
        if isinstance(error, reports.FAILURES):
            raise _not_taken(str(error)) from None
        raise
    if first is None or first.error:
        _end(backend, stop)
        if first is None:
            said = {"id": report_id, "detail": "The report isn't there yet: ask again."}
            return JSONResponse(said, HTTPStatus.ACCEPTED, {"Retry-After": str(RETRY_AFTER_S)})
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "report", f"Reporting made no report: {first.error}")
    return _Streamed(backend, first, parts, stop)


def file_name(part: ReporteGenerado) -> str:
    """Return the name under which a browser keeps a report; csv-excel is a variant of csv, and ends as that."""
    word = re.match("[a-z0-9]+", part.format)
    return f"reporte.{ENDINGS.get(word[0], word[0])}" if word else "reporte"


class _Streamed(StreamingResponse):
    """A report, part by part. What reads it ends with the answer, however that ends."""

    def __init__(
        self, backend: Backend, first: ReporteGenerado, rest: Iterator[ReporteGenerado], stop: threading.Event
    ) -> None:
        headers = {
            "Content-Disposition": f'attachment; filename="{file_name(first)}"',
            "X-Content-Type-Options": "nosniff",
        }
        self._contents = _contents(backend, first, rest)
        super().__init__(self._contents, headers=headers, media_type=first.content_type)
        self._report_id = first.report_id
        self._end = partial(_end, backend, stop)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see ASGI. The server breaks the connection of an answer that ends too early."""
        try:
            await super().__call__(scope, receive, send)
        except (TimeoutError, ClientDisconnect):
            _log.warning("The client of report %s has gone, or reads too slowly", self._report_id)
        except (reports.Unfinished, *reports.FAILURES) as error:
            _log.warning("The answer with report %s ends too early: %s", self._report_id, error)
        finally:
            self._end()
            await self._contents.aclose()


async def _contents(
    backend: Backend, first: ReporteGenerado, rest: Iterator[ReporteGenerado]
) -> AsyncGenerator[bytes, None]:
    part: ReporteGenerado | None = first
    read = reports.Sum()
    while part is not None:
        read.add(part)
        yield part.content
        part = await in_pool(backend.readers, next, rest, None)


def _end(backend: Backend, stop: threading.Event) -> None:
    """End what reads a report. Its thread may still be waiting, for less time than the next reader takes to begin."""
    stop.set()
    backend.streams.release()


def _send(client: pulsar.Client, command: GenerarReporte) -> None:
    producer = client.create_producer(full_name(GENERAR_REPORTE), send_timeout_millis=SEND_TIMEOUT_MS)
    try:
        key = command.report_id
        producer.send(command.SerializeToString(), traced("", key, GENERAR_REPORTE), partition_key=key)
    finally:
        producer.close()


def _not_taken(why: str) -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "not-taken",
        f"The report can't be asked for now: {why}. Send the request again later.",
        retry_after_s=RETRY_AFTER_S,
    )
