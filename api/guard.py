"""Stands before every route: refuses what comes from a foreign web page, too much, too fast or too slowly."""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Problem
from api.settings import Settings

BODY_IS_HERE = "alpes.body_is_here"
"""Extension of a request's scope: its body has come whole. A clock for it would take a tenth of the API's time."""
MOST_CLIENTS = 10_000
"""Of how many clients the rate is kept in memory."""
RETRY_AFTER_S = 1
_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(?::\d{1,5})?")


class Rates:
    """A bucket of tokens for each client, which fills at a constant rate. Pure but for the clock.

    Parameters
    ----------
    per_second
        How many requests a client may send in a second, and at once after a pause.
    clock
        Returns seconds.
    most
        Of how many clients the buckets are kept; a forgotten one is full again.
    """

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic, most: int = MOST_CLIENTS) -> None:
        self._per_second = per_second
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, list[float]] = OrderedDict()

    def allow(self, client: str) -> bool:
        """Take a token from the client's bucket; return whether there was one."""
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            bucket = self._buckets[client] = [float(self._per_second), now]
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(client)
        left, since = bucket
        left = min(float(self._per_second), left + (now - since) * self._per_second)
        allowed = left >= 1
        bucket[:] = left - allowed, now
        return allowed


class Guard:
    """Middleware that bounds what requests may cost, and on loopback refuses those of foreign web pages.

    A browser lets any page send requests to this machine, and a name of the page's own may lead here (DNS rebinding).
    So where no token is asked for, `Host` must name this machine, and `Origin`, if there is one, must be the API's own.

    Parameters
    ----------
    app
        What it stands before.
    settings
        The limits.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._rates = Rates(settings.requests_per_second)
        self._in_hand = 0
        self._own_names = _OWN_NAMES | {settings.host.lower(), f"[{settings.host.lower()}]"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        self._in_hand += 1
        try:
            exchange = _Exchange(self._settings, scope, receive, send)
            await self._app(scope, exchange.receive, exchange.send)
        finally:
            self._in_hand -= 1

    def _check(self, scope: Scope) -> None:
        client = scope["client"]
        if not self._rates.allow(client[0] if client else ""):
            most = self._settings.requests_per_second
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS,
                "rate",
                f"A client may send {most} requests a second: repeat this one later.",
                retry_after_s=RETRY_AFTER_S,
            )
        if self._in_hand >= self._settings.most_requests:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "busy",
                "The API has as many requests in hand as it may have. This one did nothing: repeat it later.",
                retry_after_s=RETRY_AFTER_S,
            )
        host = origin = length = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"content-length":
                length = value
        if self._settings.token_file is None:
            self._check_names(host.decode("latin-1").lower(), origin.decode("latin-1").lower())
        if length.isdigit() and int(length) > self._settings.most_body_bytes:
            raise _too_large(self._settings.most_body_bytes)

    def _check_names(self, host: str, origin: str) -> None:
        named = _HOST.fullmatch(host)
        if named is None or named[1] not in self._own_names:
            raise Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "host",
                f"The header Host is {host[:80]!r}, which isn't this machine's: use the address in ALPES_API_URL.",
            )
        if origin and origin != f"http://{host}":
            raise Problem(
                HTTPStatus.FORBIDDEN,
                "origin",
                f"A page of {origin[:80]!r} may not use this API: it serves programs, and pages of its own.",
            )


def _too_large(most: int) -> Problem:
    return Problem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "size",
        f"A body may have {most} bytes: send a smaller one.",
        headers={"Connection": "close"},
    )


class _Exchange:
    """A request and its answer: bounds the body's size and time, and how long a client may take to read a part.

    Parameters
    ----------
    settings
        The limits.
    scope, receive, send
        The server's.
    """

    def __init__(self, settings: Settings, scope: Scope, receive: Receive, send: Send) -> None:
        self._settings = settings
        self._scope = scope
        self._receive = receive
        self._send = send
        self._left = settings.most_body_bytes
        self._ends_at = 0.0
        self._is_whole = False
        self._is_answered = False

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on. Raises `TimeoutError` if the client doesn't read what is streamed to it."""
        self._is_answered = True
        if not message.get("more_body"):
            await self._send(message)
            return
        async with asyncio.timeout(self._settings.part_s):
            await self._send(message)

    async def receive(self) -> Message:
        """Return what the client sent, or that it has gone. Raises `Problem` if the body is too large or too late."""
        if self._is_whole:
            # Only the client's going away is left to wait for.
            return await self._receive()
        try:
            return await self._part()
        except Problem:
            if not self._is_answered:
                raise
            # Too late to say so: whoever streams the answer only waits for the client's going away.
            return {"type": "http.disconnect"}

    async def _part(self) -> Message:
        is_here = BODY_IS_HERE in self._scope.get("extensions", ())
        message = await self._receive() if is_here else await self._in_time()
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
            if self._left < 0:
                raise _too_large(self._settings.most_body_bytes)
        return message

    async def _in_time(self) -> Message:
        self._ends_at = self._ends_at or time.monotonic() + self._settings.body_s
        try:
            async with asyncio.timeout(max(0.0, self._ends_at - time.monotonic())):
                return await self._receive()
        except TimeoutError:
            raise Problem(
                HTTPStatus.REQUEST_TIMEOUT,
                "slow",
                f"The body did not arrive within {self._settings.body_s:g} s, and nothing was done: send it again.",
                headers={"Connection": "close"},
            ) from None
