"""HTTP connections that limit the time and size of a whole answer, its status line and headers included.

urllib3's timeout starts anew with each piece that is received. A server that sends byte by byte, or without an end,
would keep its caller waiting for ever.
"""

import http.client
import io
import socket
import time
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

MAX_ANSWER_BYTES = 64_000
"""Largest answer, as it comes through the network."""


class BoundedPoolManager(urllib3.PoolManager):
    """A pool of such connections.

    Parameters
    ----------
    at_once
        Number of connections. A call that needs one more waits for it.
    timeout_s
        Longest time from the connection to the end of the answer.
    """

    def __init__(self, at_once: int, timeout_s: float) -> None:
        super().__init__(maxsize=at_once, block=True, timeout=urllib3.Timeout(total=timeout_s))

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> urllib3.HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        pool.ConnectionCls = _BoundedTls if scheme == "https" else _Bounded
        return pool


class _Reader(io.RawIOBase):
    """Reads an answer from a socket. The socket's timeout holds for the whole answer."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = time.monotonic() + (sock.gettimeout() or 0.0)
        self._left_bytes = MAX_ANSWER_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("its answer takes too long")
        if self._left_bytes < 0:
            raise OSError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
        self._sock.settimeout(left_s)
        count: int | None = self._raw.readinto(buffer)
        self._left_bytes -= count or 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


class _Bounded(HTTPConnection):
    response_class = _Answer


class _BoundedTls(HTTPSConnection):
    response_class = _Answer
