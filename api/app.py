"""Puts the HTTP API together: settings in, an ASGI application out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from api import auth, backend, problems
from api.direct import Direct
from api.guard import Guard
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


def create_app(settings: Settings) -> FastAPI:
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

    app = FastAPI(title="Alpes", description=DESCRIPTION, lifespan=running, docs_url=None, redoc_url=None)
    app.state.tokens = auth.tokens_of(settings)
    # The last one that is added comes first.
    app.add_middleware(Direct, endpoints=DIRECT)
    app.add_middleware(Guard, settings=settings)
    problems.install(app)
    for router in OPEN_ROUTERS:
        app.include_router(router)
    for router in ROUTERS:
        app.include_router(router, dependencies=auth.AUTHORISED)
    return app
