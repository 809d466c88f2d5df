"""Answers HEAD as GET without the body, for every path that takes GET: RFC 9110 asks for it, and probes use it."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

START = "http.response.start"


class Heads:
    """Middleware that makes HEAD a GET, and ends it as soon as the answer's head is known: some bodies are long.

    Parameters
    ----------
    app
        Answers the GET.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        known = asyncio.Event()

        async def first(message: Message) -> None:
            if message["type"] == START:
                await send(message)
                await send({"type": "http.response.body"})
                known.set()

        answering = asyncio.ensure_future(self._app({**scope, "method": "GET"}, receive, first))
        knowing = asyncio.ensure_future(known.wait())
        try:
            await asyncio.wait([answering, knowing], return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            answering.cancel()
            knowing.cancel()
            await asyncio.wait([answering, knowing])
