"""`GET /orders/{id}/trace`: one order's way through the topics."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.backend import Backend, in_pool
from api.orders.following import FAILURES
from api.orders.model import OrderId, require_id
from api.problems import Problem, documented
from operations.trace.hops import TOPICS, in_order
from operations.trace.messages import Found, Span, find
from schemas.tienda.rules import LAST_TIME_MS

router = APIRouter(prefix="/orders", tags=["orders"])
MOST_MESSAGES = 200_000
MOST_S = 15.0
"""How many messages a trace may read, and how long it may take."""
MARGIN_S = 120.0
"""How long before an order was made, and after it ended, its messages are looked for."""
RETRY_AFTER_S = 5

Moment = Annotated[
    int | None,
    Query(ge=0, le=LAST_TIME_MS, description="Unix milliseconds between which the order was made and ended."),
]


@router.get(
    "/{order_id}/trace",
    responses=documented(HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def trace(
    request: Request, order_id: OrderId, since_ms: Moment = None, until_ms: Moment = None
) -> dict[str, Any]:
    """Show what the topics say of an order, in the order in which it happened.

    Where the caller says when the order was made and ended, or the API saw it end lately, the topics are read around
    that time alone; otherwise from their start, up to a bound. `looked_at.whole` says whether all of them were read: if
    not, `alpes trace` reads on.
    """
    backend: Backend = request.app.state.backend
    require_id(order_id)
    if not backend.deployed.is_set() or backend.tracing.locked():
        why = "another trace is being read" if backend.tracing.locked() else "Pulsar is away, or Alpes isn't deployed"
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "busy",
            f"The trace can't be read now, since {why}: ask again later.",
            retry_after_s=RETRY_AFTER_S,
        )
    times = [time_ms for time_ms in (since_ms, until_ms) if time_ms is not None]
    outcome = backend.outcomes.find(order_id)
    if not times and outcome is not None and outcome.event is not None:
        times = [outcome.event.created_at_ms, outcome.event.updated_at_ms]
    span = Span.around(times, MARGIN_S) if times else Span(None, None)
    try:
        async with backend.tracing:
            found = await in_pool(backend.readers, _find, backend, order_id, span)
    except FAILURES as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "away",
            f"The topics can't be read now: {error}",
            retry_after_s=RETRY_AFTER_S,
        ) from None
    hops = in_order(found.hops)
    if not hops:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no-trace",
            f"There is no trace of order {order_id} in {found.messages:,} messages"
            f"{'' if found.whole else ', which are not all: alpes trace reads on'}.",
        )
    return {
        "id": order_id,
        "trace_id": next((hop.trace_id for hop in hops if hop.trace_id), ""),
        "hops": [hop._asdict() for hop in hops],
        "looked_at": {
            "topics": found.topics,
            "messages": found.messages,
            "since_ms": span.since_ms,
            "until_ms": span.until_ms,
            "whole": found.whole,
        },
    }


def _find(backend: Backend, order_id: str, span: Span) -> Found:
    ends_at = time.monotonic() + MOST_S
    there = set(backend.admin.topics())

    def goes_on(messages: int) -> bool:
        return messages < MOST_MESSAGES and time.monotonic() < ends_at

    return find(
        backend.client,
        backend.admin,
        [topic for topic in TOPICS if topic in there],
        span,
        order_id=order_id,
        accepted_at_ms=0,
        goes_on=goes_on,
    )
