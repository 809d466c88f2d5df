"""Puts the HTTP API together: settings in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from api import auth, backend, problems
from api.direct import Direct
from api.guard import Guard
from api.heads import Heads
from api.live import live, page
from api.live import router as live_router
from api.routes import docs, health, orders, reports, totals, trace
from api.settings import Settings

DIRECT = {("POST", "/orders"): orders.create_authorised}
"""What is answered without FastAPI."""
DESCRIPTION = "Orders, their status and reports over HTTP. Amounts are in the minor unit of their currency."
OPEN_ROUTERS = (health.router, docs.router, page.router)
"""Routers that need no token."""
ROUTERS = (orders.router, trace.router, reports.router, totals.router, live_router.router)
"""Routers that need a token wherever the API asks for one. A new one is added here."""


class Api:
    """The application: FastAPI, and around it what stands before every request and what does without FastAPI.

    Parameters
    ----------
    app
        Answers all but the requests in `DIRECT`.
    settings
        The limits.

    Attributes
    ----------
    state : State
        What the application holds open: `backend`, `live` and `tokens`.
    openapi : callable
        Returns the description of all requests.
    """

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        self.state = app.state
        self.openapi = app.openapi
        self._answer = Guard(Direct(Heads(app), app, DIRECT), settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; see ASGI."""
        await self._answer(scope, receive, send)


def create_app(settings: Settings) -> Api:
    """Return the application. It connects to Pulsar when it starts, and works as soon as Pulsar is there.

    Raises
    ------
    UnsafeAddressError
        If other machines could use it without a token.
    TokenFileError
        If the file of tokens can't be used.
    """

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        async with backend.opened(settings) as app.state.backend, live.opened(settings) as app.state.live:
            yield

    app = FastAPI(
        title="Alpes",
        description=DESCRIPTION,
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        # Nobody collects it, and asking whether somebody does takes time in every request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.tokens = auth.tokens_of(settings)
    problems.install(app)
    for router in OPEN_ROUTERS:
        app.include_router(router, responses=problems.documented(*problems.ANYWHERE))
    for router in ROUTERS:
        app.include_router(
            router,
            dependencies=auth.AUTHORISED,
            responses=problems.documented(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, *problems.ANYWHERE),
        )
    return Api(app, settings)
