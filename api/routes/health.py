"""`GET /health`: whether the API runs, and whether it can do its work now."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from api.backend import Backend, in_pool
from connection.admin import Admin
from connection.errors import ForbiddenError, PulsarError
from connection.functions import instances
from schemas.tienda.topics import NAMESPACE, SERVICES

router = APIRouter(prefix="/health", tags=["health"])
RUNNING = "running"
UNTOLD = "not told to this role"
"""Of a function, where Pulsar asks for roles: to see it takes a right with which one could replace it."""


@router.get("/live")
async def live() -> dict[str, str]:
    """Say that the API runs, whatever else does."""
    return {"api": RUNNING}


@router.get("/ready", responses={503: {"description": "A part is away; the answer says which."}})
async def ready(request: Request) -> JSONResponse:
    """Say whether the broker and each function run: with 503 if one of them doesn't."""
    return await _answer(request)


@router.get("", responses={503: {"description": "A part is away; the answer says which."}})
async def health(request: Request) -> JSONResponse:
    """Say how the API and what it needs are: with 503 if a part is away."""
    return await _answer(request, api=RUNNING)


async def _answer(request: Request, **parts: str) -> JSONResponse:
    backend: Backend = request.app.state.backend
    if backend.examination is None or backend.examination.done():
        backend.examination = asyncio.create_task(in_pool(backend.examiner, _look, backend.admin))
    # One at a time, for all who ask: whoever needs no token must not keep the threads of others busy.
    parts |= await asyncio.shield(backend.examination)
    is_well = all(found in {RUNNING, UNTOLD} for found in parts.values())
    return JSONResponse(
        {"ready": is_well, "parts": parts}, HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
    )


def _look(admin: Admin) -> dict[str, str]:
    try:
        admin.text("/admin/v2/brokers/ready")
    except PulsarError as error:
        return {"broker": str(error)}
    return {"broker": RUNNING} | {f"function {name}": _function(admin, name) for name in SERVICES}


def _function(admin: Admin, name: str) -> str:
    try:
        found = instances(admin, f"/admin/v3/functions/{NAMESPACE}/{name}")
    except ForbiddenError:
        return UNTOLD
    except PulsarError as error:
        return str(error)
    if found is None:
        return "not deployed: run ./deploy.sh deploy"
    if found.running == found.wanted:
        return RUNNING
    return f"{found.running} of {found.wanted} instances run: see ./deploy.sh logs {name}"
