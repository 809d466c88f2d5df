"""A stub of Pulsar's admin API that gives the answers it is told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer

from connection.admin import Admin

HOST = "{Host}"
"""A body that stands for the host that the request names."""


@contextmanager
def answering(*answers: tuple[int, object]) -> Iterator[tuple[Admin, list[str]]]:
    """Serve these answers, the last one again and again; yields the client and the requested paths.

    Parameters
    ----------
    answers
        HTTP's code and the body: bytes as they are, anything else as JSON. Of code 307 the body is the new address.
    """
    left = list(answers)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append(self.path if self.command == "GET" else f"{self.command} {self.path}")
            code, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(code)
            if code == HTTPStatus.TEMPORARY_REDIRECT:
                self.send_header("Location", f"{body}{self.path}")
            elif body == HOST:
                body = self.headers["Host"]
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names are http.server's

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield Admin(f"http://127.0.0.1:{server.server_port}", pauses_s=(0.0, 0.0)), asked
        finally:
            server.shutdown()
            thread.join()
