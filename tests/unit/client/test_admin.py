"""A broker that is busy with a topic is asked again; what it refuses for good is said with its reason."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from client import admin
from client.admin import Admin
from client.errors import ClientError


@contextmanager
def answering(*answers: tuple[int, object]) -> Iterator[tuple[Admin, list[str]]]:
    """Serve these answers, the last one again and again; give the client, and the paths that were asked for."""
    left = list(answers)
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            code, body = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Admin(f"http://127.0.0.1:{server.server_port}"), asked
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin, "AGAIN_AFTER_SECONDS", (0.0, 0.0))


def test_a_server_error_is_asked_again() -> None:
    with answering((500, {"reason": "Topic policies cache have not init."}), (503, ""), (200, {"a": 1})) as (
        client,
        asked,
    ):
        assert client.get("/p") == {"a": 1}
        assert asked == ["/p"] * 3


def test_a_server_error_that_stays_is_told_with_pulsars_reason() -> None:
    with answering((500, {"reason": "Topic policies\ncache have not init."})) as (client, asked):
        with pytest.raises(ClientError, match=r"refused /p: HTTP 500, Topic policies cache have not init\.$"):
            client.find("/p")
        assert len(asked) == 3


@pytest.mark.parametrize("body", ["", "no object", {}, {"reason": ""}])
def test_a_refusal_is_final_and_may_have_no_reason(body: object) -> None:
    with answering((403, body)) as (client, asked):
        with pytest.raises(ClientError, match=r"refused /p: HTTP 403\.$"):
            client.find("/p")
        assert asked == ["/p"]
