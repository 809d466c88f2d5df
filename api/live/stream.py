"""The answer that never ends: server-sent events for one page."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.live.hub import Hub, Queue

HEARTBEAT_S = 5.0
"""When nothing was sent for so long, a comment is: proxies end silent connections, and a page notices a lost one."""
SEND_S = 10.0
"""How long a page may take to accept a text."""
RETRY_MS = 2_000
"""When a page that lost its connection tries again."""


class EventStream(Response):
    """Sends what a hub has for a page, until the hub ends it, the page has gone, or it accepts nothing for `SEND_S`.

    Parameters
    ----------
    hub
        What the page is opened at.
    """

    media_type = "text/event-stream"

    def __init__(self, hub: Hub) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Answer a request; see ASGI."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async with self._hub.page() as queue:
                await self._body(send, f"retry: {RETRY_MS}\n\n")
                while (text := await _next(queue, gone)) is not None:
                    await self._body(send, text)
            if not gone.done():
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # It comes back by itself.
            return
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone

    @staticmethod
    async def _body(send: Send, text: str) -> None:
        async with asyncio.timeout(SEND_S):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


async def _next(queue: Queue, gone: asyncio.Future[None]) -> str | None:
    waiting = asyncio.ensure_future(queue.get())
    both: set[asyncio.Future[Any]] = {waiting, gone}
    done, _ = await asyncio.wait(both, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED)
    if gone in done:
        waiting.cancel()
        return None
    if waiting in done:
        return waiting.result()
    waiting.cancel()
    return ": heartbeat\n\n"


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
