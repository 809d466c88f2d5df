"""Serves the requests that come most without FastAPI, whose routing and dependencies cost more than all the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import Problem, unexpected

Endpoint = Callable[[Request], Awaitable[Response]]


class Direct:
    """Middleware that answers some requests by itself. FastAPI has the same routes, and documents them.

    Parameters
    ----------
    others
        Answers all others.
    app
        The application, for the endpoints.
    endpoints
        What answers, by method and path. It checks the token and the body itself.
    """

    def __init__(self, others: ASGIApp, app: Starlette, endpoints: Mapping[tuple[str, str], Endpoint]) -> None:
        self._others = others
        self._app = app
        self._endpoints = endpoints

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        endpoint = self._endpoints.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if endpoint is None:
            await self._others(scope, receive, send)
            return
        scope["app"] = self._app
        try:
            response = await endpoint(Request(scope, receive))
        except Problem as problem:
            response = problem.response()
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is answered
            response = unexpected(error)
        await response(scope, receive, send)
