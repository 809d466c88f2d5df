"""`GET /totals`: how many orders ended in which way, and what they amount to."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from api.backend import Backend, in_pool
from api.problems import Problem, documented
from connection import functions
from connection.admin import Admin
from connection.errors import NotFoundError, PulsarError, RefusedError
from schemas.tienda import rules
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.upcasters.v0_to_v1 import DEFAULT_CURRENCY

router = APIRouter(tags=["totals"])
FUNCTION = "reporting"
MOST_CURRENCIES = 10


@router.get("/totals", responses=documented(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE))
async def totals(
    request: Request,
    currency: Annotated[
        list[Annotated[str, Query(pattern=f"^{rules.CURRENCY.pattern}$")]] | None,
        Query(
            max_length=MOST_CURRENCIES,
            description=f"Currencies to show, such as COP; {DEFAULT_CURRENCY} if none is named.",
        ),
    ] = None,
) -> dict[str, Any]:
    """Return how many orders have each final status, and their total in the currencies' minor units.

    Reporting keeps these figures in the state store, which lags behind its table by seconds at most.
    """
    backend: Backend = request.app.state.backend
    asked = list(dict.fromkeys(currency or [DEFAULT_CURRENCY]))
    try:
        found = await in_pool(backend.lookups, _read, backend.admin, asked)
    except PulsarError as error:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, "state", f"The totals can't be told now: {error}", retry_after_s=1
        ) from None
    return {
        "orders": {status: found[f"total:{status}"] for status in FINAL_STATUSES},
        "total_cents": {
            code: {status: found[f"total_cents:{status}:{code}"] for status in FINAL_STATUSES} for code in asked
        },
    }


def _read(admin: Admin, currencies: Iterable[str]) -> dict[str, int]:
    keys = [f"total:{status}" for status in FINAL_STATUSES]
    keys += [f"total_cents:{status}:{code}" for code in currencies for status in FINAL_STATUSES]
    return {key: _total(admin, key) for key in keys}


def _total(admin: Admin, key: str) -> int:
    """Return one of the running totals; 0 if there is none yet."""
    try:
        return int(functions.state(admin, f"/admin/v3/functions/{NAMESPACE}/{FUNCTION}", key))
    except RefusedError as error:
        if error.code != HTTPStatus.NOT_FOUND:
            raise
        if "is not found" in error.reason and FUNCTION in error.reason:
            raise NotFoundError(f"There is no function {FUNCTION}: deploy it with ./deploy.sh deploy.") from error
        return 0
    except (KeyError, TypeError, ValueError) as error:
        raise admin.not_pulsar() from error
