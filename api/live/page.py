"""Serves the page: a few files, none of them made by a build, all from this package."""

from __future__ import annotations

import hashlib
from functools import cached_property
from http import HTTPStatus
from pathlib import Path

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

FOLDER = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
HEADERS = {
    # The page loads nothing from elsewhere, runs no code but these files, and can't be put into a frame.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class _File:
    """One file, read when it is first asked for."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._type = TYPES.get(path.suffix, "text/plain")

    @cached_property
    def _read(self) -> tuple[bytes, str]:
        body = self._path.read_bytes()
        return body, f'"{hashlib.sha256(body).hexdigest()[:24]}"'

    def answer(self, request: Request) -> Response:
        body, etag = self._read
        # Every start of a page asks whether the files have changed: after an update none is from before.
        headers = {**HEADERS, "ETag": etag, "Cache-Control": "no-cache"}
        if _names(request.headers.getlist("if-none-match"), etag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(body, media_type=self._type, headers=headers)


def _names(fields: list[str], etag: str) -> bool:
    """Return whether If-None-Match names a tag, compared weakly (RFC 9110, 13.1.2)."""
    tags = {tag.strip().removeprefix("W/") for field in fields for tag in field.split(",")}
    return "*" in tags or etag in tags


router = APIRouter(include_in_schema=False)
"""The page and its files. They hold no data, so they need no token."""

for _path in sorted(each for each in FOLDER.rglob("*") if each.is_file()):
    _name = _path.relative_to(FOLDER).as_posix()
    _where = "/" if _name == "index.html" else f"/live/static/{_name}"
    router.add_api_route(_where, _File(_path).answer, methods=["GET"])
