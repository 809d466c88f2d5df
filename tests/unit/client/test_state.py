"""What the admin API's answers mean, from a server that gives them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from client.errors import ClientError, NotDeployedError, StateUnavailableError, UnknownOrderError, UnreachableError
from client.state import order_status


class Admin(HTTPServer):
    answer: tuple[int, bytes] = (200, b"")
    path = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def reply(self, code: int, body: object) -> None:
        self.answer = code, json.dumps(body).encode()


class _Handler(BaseHTTPRequestHandler):
    server: Admin

    def do_GET(self) -> None:
        self.server.path = self.path
        code, body = self.server.answer
        self.send_response(code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def admin() -> Iterator[Admin]:
    server = Admin(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_status_is_asked_of_the_function_ordenes(admin: Admin) -> None:
    admin.reply(200, {"key": "a.1", "stringValue": "aprobada", "version": 3})
    assert order_status(admin.url + "/", "a.1") == "aprobada"
    assert admin.path == "/admin/v3/functions/alpes/tienda/ordenes/state/a.1"


def test_an_unknown_order_may_be_one_the_store_has_not_yet(admin: Admin) -> None:
    admin.reply(404, {"reason": "key 'a' doesn't exist."})
    with pytest.raises(UnknownOrderError, match=r"no order a\. .*ask again"):
        order_status(admin.url, "a")


def test_a_function_that_is_not_there_is_to_be_deployed(admin: Admin) -> None:
    admin.reply(404, {"reason": "'ordenes' is not found"})
    with pytest.raises(NotDeployedError, match=r"deploy\.sh deploy"):
        order_status(admin.url, "a")


def test_a_store_that_is_still_cold_is_told_from_an_unknown_order(admin: Admin) -> None:
    admin.reply(503, {"reason": "State storage client is not done initializing"})
    with pytest.raises(StateUnavailableError, match="not done initializing"):
        order_status(admin.url, "a")


def test_a_refusal_is_passed_on(admin: Admin) -> None:
    admin.reply(401, {"reason": "who are you"})
    with pytest.raises(ClientError, match="who are you"):
        order_status(admin.url, "a")


def test_another_server_is_told_from_pulsar(admin: Admin) -> None:
    admin.answer = 200, b"<html>"
    with pytest.raises(UnreachableError, match="does not answer as Pulsar"):
        order_status(admin.url, "a")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "pulsar://127.0.0.1:6650", "nonsense"])
def test_no_admin_api_is_told_with_the_address(url: str) -> None:
    with pytest.raises(UnreachableError, match=url):
        order_status(url, "a")
