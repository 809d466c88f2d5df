"""`POST /orders` and `GET /orders/{id}`: takes an order, and says what became of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from api.auth import require_token
from api.backend import Backend, in_pool
from api.bodies import documented_body, parsed, whole
from api.orders import model, verdict
from api.orders.outcomes import Outcome
from api.problems import WITH_BODY, Problem, documented
from api.waiting import MOST_WAIT_S, preferred_s
from client.tracing import traced
from connection.errors import NotPublishedError, PulsarError, UnconfirmedError
from operations.errors import NotDeployedError, StateUnavailableError, UnknownOrderError
from operations.state import order_status
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.topics import CREAR_ORDEN
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from terminal.errors import CommandError

router = APIRouter(prefix="/orders", tags=["orders"])
RECIBIDA = "recibida"
"""Status of an order that the broker has, and of which no function has said anything yet."""
RETRY_AFTER_S = 1
STORED_AGAIN_S = 1.0
"""When the state store is asked again for whoever waits for an order's end; then each time after twice as long."""

Judge = Callable[[Outcome], "dict[str, Any] | Problem | None"]
Wait = Annotated[
    int, Query(ge=0, le=MOST_WAIT_S, description="Wait so many seconds for the order's end, if it hasn't ended.")
]

_EXAMPLE = {"client_id": 7, "address": "Calle 93 # 13-24, Bogotá", "total_cents": 125000, "currency": "COP"}
_HEADERS = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes the request safe to repeat; the order's id is made of it. Not with an id in the body.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
    },
    {
        "name": "Prefer",
        "in": "header",
        "description": f"`wait=SECONDS`: wait for the order's end, at most {MOST_WAIT_S} s.",
        "schema": {"type": "string", "example": "wait=5"},
    },
]
_PROBLEMS = documented(HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE)


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    openapi_extra={"requestBody": documented_body(model.OrdenEnviada, _EXAMPLE), "parameters": _HEADERS},
    responses={200: {"description": "The order, which has ended."}, **_PROBLEMS, **documented(*WITH_BODY)},
)
async def create(request: Request) -> Response:
    """Take an order: 202 once the broker has it, or with `Prefer: wait=SECONDS` its end.

    A repeated request changes nothing and gets the same answer, if it has the same Idempotency-Key or id.
    """
    backend: Backend = request.app.state.backend
    sent = parsed(model.OrdenEnviada, await whole(request))
    order_id = model.order_id(sent, request.headers.get("idempotency-key"))
    traceparent = request.headers.get("traceparent", "")
    now_ms = time.time_ns() // 1_000_000
    command = model.command(sent, order_id, traceparent, now_ms, backend.extra_currencies)
    content = model.content(command)

    def judge(outcome: Outcome) -> dict[str, Any] | Problem | None:
        return verdict.of_command(outcome, content)

    await _require_deployed(backend)
    wait_s = preferred_s(request)
    is_known = _is_known(backend, order_id, content, judge)
    # A command that comes again changes nothing, and makes the functions tell the outcome again.
    if not is_known or (wait_s and backend.outcomes.find(order_id) is None):
        await _publish(backend, command, content)
    if wait_s:
        found = await _awaited(backend, order_id, judge, wait_s)
        if found is not None:
            return JSONResponse(found, headers={"Preference-Applied": f"wait={wait_s}"})
    # An id has no character that JSON would escape.
    body = f'{{"id": "{order_id}"}}'
    return Response(body, HTTPStatus.ACCEPTED, {"Location": f"/orders/{order_id}"}, "application/json")


async def create_authorised(request: Request) -> Response:
    """Do what `create` does, without FastAPI."""
    await require_token(request)
    return await create(request)


@router.get("/{order_id}", responses=_PROBLEMS | documented(HTTPStatus.NOT_FOUND))
async def show(request: Request, order_id: model.OrderId, wait: Wait = 0) -> JSONResponse:
    """Say what became of an order.

    It is told from the topics if the API saw the order lately, with all that the last event says. Of an older order
    the state store has the status alone, which may lag. An order that was refused is answered with the reason.
    """
    backend: Backend = request.app.state.backend
    model.require_id(order_id)
    wait_s = wait or preferred_s(request)
    await _require_deployed(backend)
    outcome = backend.outcomes.find(order_id)
    if outcome is not None and outcome.is_old:
        status = await _stored_status(backend, order_id)
        if status in FINAL_STATUSES:
            return JSONResponse({"id": order_id, "status": status})
    found = await _awaited(backend, order_id, verdict.of_order, 0)
    if found is None:
        found = await _told_or_stored(backend, order_id, wait_s)
    return JSONResponse(found)


async def _told_or_stored(backend: Backend, order_id: str, wait_s: int) -> dict[str, Any]:
    """Return what the topics say within `wait_s`, or the state store as soon as the order has ended there."""
    told = asyncio.create_task(_awaited(backend, order_id, verdict.of_order, wait_s))
    stored = asyncio.create_task(_stored_status(backend, order_id))
    pause_s = STORED_AGAIN_S
    try:
        while True:
            await asyncio.wait([stored, told], return_when=asyncio.FIRST_COMPLETED)
            if told.done() and (found := told.result()) is not None:
                return found
            status = await stored
            if told.done() or status in FINAL_STATUSES:
                break
            # The event may have come before the topics were followed.
            await asyncio.wait([told], timeout=pause_s)
            if told.done() and (found := told.result()) is not None:
                return found
            pause_s *= 2
            stored = asyncio.create_task(_stored_status(backend, order_id))
    finally:
        told.cancel()
        stored.cancel()
    is_known = backend.commands.find(order_id) is not None
    if isinstance(status, Problem):
        if not is_known:
            raise status
        status = ""
    return _with_status(order_id, status or (RECIBIDA if is_known else ""))


async def _require_deployed(backend: Backend) -> None:
    """Refuse an order while Alpes' topics aren't there; otherwise follow those in which orders end."""
    if not backend.deployed.is_set():
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not-taken",
            "Nothing was done, since Pulsar is away or Alpes isn't deployed yet: send it again later. /health/ready "
            "says what is missing.",
            retry_after_s=RETRY_AFTER_S,
        )
    await backend.following.needed()


def _is_known(backend: Backend, order_id: str, content: int, judge: Judge) -> bool:
    """Return whether the broker has this very command already. Raise the problem if it has another one."""
    outcome = backend.outcomes.find(order_id)
    found = None if outcome is None else judge(outcome)
    if isinstance(found, Problem):
        if outcome is None or not outcome.is_old or found.kind != "given-up":
            raise found
        # An operator may have replayed it: the functions tell again what became of it.
        backend.outcomes.forget(order_id)
        outcome = found = None
    seen = backend.commands.find(order_id)
    if outcome is not None and seen is not None and verdict.was_refused(outcome, seen.content):
        # That command came second, and says nothing of what the order is.
        seen = None
    if found is None and seen is not None:
        if seen.content != content:
            raise verdict.other_content(order_id)
        if not seen.confirmed:
            raise Problem(
                HTTPStatus.CONFLICT,
                "in-flight",
                "The same request is still in hand: repeat this one in a second to get its answer.",
                retry_after_s=RETRY_AFTER_S,
            )
    return found is not None or seen is not None


async def _publish(backend: Backend, command: CrearOrden, content: int) -> None:
    """Publish a command, and return once the broker has it."""
    order_id = command.id
    backend.commands.begin(order_id, content)
    confirmed = False
    try:
        properties = traced(command.traceparent, order_id, CREAR_ORDEN)
        await backend.publisher.publish(command.SerializeToString(), order_id, properties)
        confirmed = True
    except NotPublishedError as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not-taken",
            f"The order was not taken, since {error}: send it again later.",
            retry_after_s=RETRY_AFTER_S,
        ) from None
    except UnconfirmedError as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "unconfirmed",
            f"Whether the order was taken is unknown, since {error}. Send it again with the same Idempotency-Key, or "
            f"with the id {order_id}: then it is one order in any case.",
            retry_after_s=RETRY_AFTER_S,
            id=order_id,
        ) from None
    finally:
        backend.commands.end(order_id, confirmed=confirmed)


async def _awaited(backend: Backend, order_id: str, judge: Judge, seconds: float) -> dict[str, Any] | None:
    """Return what became of an order, after waiting for it; None if that isn't known in time. Raise a problem."""
    ends_at = time.monotonic() + seconds
    while True:
        outcome = backend.outcomes.find(order_id)
        found = None if outcome is None else judge(outcome)
        if isinstance(found, Problem):
            raise found
        left = ends_at - time.monotonic()
        if found is not None or left <= 0 or not await backend.outcomes.news(order_id, left):
            return found


async def _stored_status(backend: Backend, order_id: str) -> str | Problem:
    """Return an order's status in the state store, empty if it has none; a problem if the store can't tell."""
    try:
        return await in_pool(backend.lookups, order_status, backend.admin, order_id)
    except UnknownOrderError:
        return ""
    except (NotDeployedError, StateUnavailableError, CommandError, PulsarError) as error:
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "state",
            f"The status can't be told now: {error}",
            retry_after_s=RETRY_AFTER_S,
        )


def _with_status(order_id: str, status: str) -> dict[str, Any]:
    if status:
        return {"id": order_id, "status": status}
    raise Problem(
        HTTPStatus.NOT_FOUND,
        "no-order",
        f"No order {order_id[:128]} is known. If it was sent just now by another way, ask again with ?wait=5.",
    )
