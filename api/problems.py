"""Answers every error as a problem of RFC 9457, those of the framework too."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:alpes:problem:"
UNEXPECTED = "The API failed on this request, and its log says why. Whether the request took effect is unknown."
_log = logging.getLogger(__name__)


class Problem(Exception):
    """Ends a request with a problem.

    Parameters
    ----------
    status
        The HTTP status.
    kind
        What went wrong, as a program may distinguish it: the end of the problem's `type`.
    detail
        What was wrong and what to do, in one line.
    retry_after_s
        When to repeat the request, in seconds; None if that is not for the client to try.
    headers
        Further headers.
    members
        Further members.
    """

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        *,
        retry_after_s: int | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(retry_after_s)
        self.members = members

    def response(self) -> Response:
        """Return the answer."""
        return _response(self.status, self.kind, str(self), self.headers, **self.members)


def install(app: FastAPI) -> None:
    """Make an application answer its errors, and the framework's, as problems."""
    app.add_exception_handler(Problem, _answer_problem)
    app.add_exception_handler(HTTPException, _answer_framework)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(Exception, _answer_unexpected)


SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": f"{TYPE_PREFIX}… for a program to tell problems apart."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What was wrong, and what to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"where": {"type": "string"}, "what": {"type": "string"}},
            },
        },
    },
}
"""The schema of a problem, for OpenAPI."""


WITH_BODY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)
"""What may be wrong with a request that has a body."""
ANYWHERE = (HTTPStatus.MISDIRECTED_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""What the guard may answer to any request."""


def documented(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of a route's problems."""
    return {
        int(status): {"description": status.phrase, "content": {MEDIA_TYPE: {"schema": SCHEMA}}} for status in statuses
    }


def _response(status: int, kind: str, detail: str, headers: Mapping[str, str], **members: Any) -> Response:
    body = {
        "type": f"{TYPE_PREFIX}{kind}",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        **members,
    }
    return Response(json.dumps(body), status, headers, MEDIA_TYPE)


def _answer_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - what it is registered for
    return error.response()


def _answer_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - the same
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.url.path[:200]}. /docs lists what there is."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{request.method} is no method of {request.url.path[:200]}. /docs lists what there is."
    else:
        detail = str(error.detail)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    headers = dict(error.headers or {})
    if "GET" in (allowed := headers.get("Allow", "").split(", ")):
        headers["Allow"] = ", ".join([*allowed, "HEAD"])
    return _response(error.status_code, kind, detail, headers)


def _answer_validation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - the same
    return invalid(error.errors()).response()


def invalid(errors: Any) -> Problem:
    """Return the problem for what pydantic found wrong."""
    found = [{"where": ".".join(str(part) for part in each["loc"]), "what": each["msg"]} for each in errors][:20]
    detail = "; ".join(f"{each['where']}: {each['what']}" if each["where"] else each["what"] for each in found)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid", detail, errors=found)


def _answer_unexpected(_request: Request, error: Exception) -> Response:
    return unexpected(error)


def unexpected(error: Exception) -> Response:
    """Log an error that nobody foresaw, and return the answer."""
    _log.error("A request failed", exc_info=error)
    return _response(HTTPStatus.INTERNAL_SERVER_ERROR, "unexpected", UNEXPECTED, {})
