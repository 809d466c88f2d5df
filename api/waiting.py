"""How long a request wants to wait for an outcome."""

from __future__ import annotations

import re

from starlette.requests import Request

MOST_WAIT_S = 60
"""Longest wait; a client that wants more asks again."""
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?=[,;]|$)", re.IGNORECASE)


def preferred_s(request: Request) -> int:
    """Return the seconds of the header `Prefer: wait=…` (RFC 7240), at most `MOST_WAIT_S`; 0 without one."""
    said = ",".join(request.headers.getlist("prefer"))
    found = _PREFER_WAIT.search(said) if said else None
    return min(int(found[1]), MOST_WAIT_S) if found else 0
