"""Runs the application on uvicorn, and ends it without dropping what is in hand."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from http import HTTPStatus

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import Api
from api.errors import AddressTakenError
from api.guard import BODY_IS_HERE
from api.problems import MEDIA_TYPE, Problem
from api.settings import Settings

KEEP_ALIVE_S = 30
DRAIN_S = 20
"""How long requests in hand may take when the API is to end."""
HEAD_S = 10.0
"""How long a client may take to send a request's head."""
MOST_HEAD_BYTES = 64 * 1024
LINE_BYTES = len(": \r\n")
LINGER_S = 1.0
"""How long a client whose request was refused may go on sending it, to no effect."""
NO_HTTP = Problem(
    HTTPStatus.BAD_REQUEST, "http", "This is not a valid HTTP request, which names one Host; nothing was done."
)
HEAD_TOO_LARGE = Problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "head",
    f"A request's head may have {MOST_HEAD_BYTES} bytes, and nothing was done: send a smaller one.",
)


class Protocol(HttpToolsProtocol):
    """uvicorn's, with bounds for a request's head: it has none for its size or time."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._heads = 0
        self._head_bytes = 0
        self._hosts = 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._too_large = False
        self._refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give the client its time for the first head."""
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(HEAD_S, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._head_over()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes, unless the head is too large."""
        if self._refused:
            return
        heads, unfinished = self._heads, self._head_timer is not None
        before = self._head_bytes
        super().data_received(data)
        if unfinished and self._head_timer is not None and heads == self._heads:
            # All of it belongs to a head that goes on; its last line isn't counted yet.
            self._head_bytes = before + len(data)
            if self._head_bytes > MOST_HEAD_BYTES and not self._refused:
                self._too_large = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin to count a head."""
        super().on_message_begin()
        self._heads += 1
        self._head_bytes = self._hosts = 0
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_S, self.transport.close)

    def on_url(self, url: bytes) -> None:
        """Count the request's path."""
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        super().on_header(name, value)
        self._hosts += name.lower() == b"host"
        self._count(len(name) + len(value) + LINE_BYTES)

    def on_headers_complete(self) -> None:
        """Take the request."""
        if self._hosts > 1 or (self._hosts == 0 and self.parser.get_http_version() == "1.1"):
            raise ValueError("a request names one host")
        self._head_over()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Tell the guard that the body is there."""
        self.scope["extensions"] = {BODY_IS_HERE: {}}
        super().on_message_complete()

    def _count(self, length: int) -> None:
        self._head_bytes += length
        if self._head_bytes > MOST_HEAD_BYTES:
            self._too_large = True
            raise ValueError("the head is too large")

    def _head_over(self) -> None:
        self._head_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - its caller names it
        """Answer what isn't HTTP, or too much of it, with a problem, too."""
        problem = HEAD_TOO_LARGE if self._too_large else NO_HTTP
        body = bytes(problem.response().body)
        self._refused = True
        self._head_over()
        if self.transport.is_closing():
            return
        self.transport.write(
            f"HTTP/1.1 {problem.status} {problem.status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
            + body
        )
        # If it were closed now, what the client still sends would reset the connection before it reads the answer.
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)


def listening(settings: Settings) -> socket.socket:
    """Return a socket that listens at the address of the settings.

    Raises
    ------
    AddressTakenError
        If it can't.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((settings.host, settings.port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise AddressTakenError(
            f"The API can't listen at {settings.host}, port {settings.port}: {error.strerror or error}. "
            "Choose another with --host and --port."
        ) from error
    return bound


def url_of(bound: socket.socket) -> str:
    """Return the address of a listening socket as a URL."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn's, which calls `end` before it waits for the requests in hand: some would never end by themselves."""

    def __init__(self, config: uvicorn.Config, end: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new requests, and wait for those in hand."""
        self._end()
        await super().shutdown(sockets)


def serve(app: Api, bound: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; then refuse new requests, and answer those in hand."""
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # A client could name another address than its own, and so escape its limit.
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )

    def end() -> None:
        app.state.live.hub.end_pages()
        app.state.backend.outcomes.stop()

    # Whatever ends an answer too early has said why itself.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "without completing" not in record.getMessage())
    _Server(config, end).run([bound])
