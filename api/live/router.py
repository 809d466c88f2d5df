"""The routes of the live page that need a token where there is one: its events, and the replay of a dead letter."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from api.live.hub import MOST_PAGES
from api.live.live import Live
from api.live.stream import EventStream
from api.problems import Problem, documented
from connection.errors import PulsarError
from operations.dlq.letters import LetterId, UnknownLetterError
from operations.errors import MistypedError, NotDeployedError

RETRY_AFTER_S = 10

router = APIRouter(prefix="/live", tags=["live page"])


# Not in OpenAPI: an answer without an end is for the page, whose files come with it.
@router.get("/events", include_in_schema=False)
async def events(request: Request) -> Response:
    """Tell what happens, by server-sent events: a snapshot, then once a second what is new, without an end.

    `Last-Event-ID` is ignored: whoever comes back gets a snapshot.
    """
    live: Live = request.app.state.live
    if live.hub.full:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "pages",
            f"{MOST_PAGES} pages are open, and there can't be more: close one.",
            retry_after_s=RETRY_AFTER_S,
        )
    return EventStream(live.hub)


@router.post(
    "/dead-letters/{letter}/replay",
    responses=documented(
        HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
    ),
)
async def replay(request: Request, letter: str) -> dict[str, Any]:
    """Send a dead letter to the topic that it came from, as `alpes dlq replay` does, and log it.

    Sending it twice is harmless.
    """
    live: Live = request.app.state.live
    try:
        letter_id = LetterId.parse(letter)
        async with live.one_replay:
            outcome = await asyncio.to_thread(live.replay, letter_id)
    except MistypedError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "letter", str(error)) from error
    except UnknownLetterError as error:
        raise Problem(HTTPStatus.NOT_FOUND, "letter", str(error)) from error
    except (PulsarError, NotDeployedError) as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "pulsar", str(error), retry_after_s=RETRY_AFTER_S) from error
    if not outcome.sent:
        raise Problem(HTTPStatus.CONFLICT, "not-sent", f"The letter was not sent: {outcome.reason}.")
    return {"letter": str(letter_id), "sent": True, "logged": outcome.logged}
