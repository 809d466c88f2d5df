"""Function workers apart from brokers are found by a broker's address."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connection.admin import Admin
from connection.errors import RefusedError
from connection.workers import COORDINATION, addresses

FUNCTIONS = "/admin/v3/functions/alpes/tienda"
NOT_HERE = (409, {"reason": "Function Worker is not enabled"})


def consumers(*names: str) -> dict[str, Any]:
    return {"subscriptions": {"participants": {"consumers": [{"consumerName": name} for name in names]}}}


class Node:
    """A node of a cluster that answers as it was told."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[str] = []
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                node.asked.append(self.path)
                code, answer = node.answers.get(self.path, (404, {}))
                self.send_response(code)
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
                """Stay quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def nodes() -> Iterator[tuple[Node, Node]]:
    """A broker without a function worker, and a worker."""
    broker, worker = Node(), Node()
    broker.answers = {FUNCTIONS: NOT_HERE, "/admin/v2/worker/cluster": NOT_HERE, "/admin/v2/clusters": (200, ["c"])}
    broker.answers[COORDINATION] = (200, consumers(f"dead:127.0.0.1:{1}", f"w2:127.0.0.1:{worker.port}"))
    worker.answers = {FUNCTIONS: (200, ["pagos"]), "/admin/v2/worker/cluster": (200, [])}
    yield broker, worker
    broker.close()
    worker.close()


def test_functions_are_asked_of_a_worker_that_answers_and_the_rest_of_the_broker(nodes: tuple[Node, Node]) -> None:
    broker, worker = nodes
    admin = Admin(broker.url, pauses_s=())
    assert admin.get(FUNCTIONS) == ["pagos"]
    assert admin.get(FUNCTIONS) == ["pagos"]
    assert admin.get("/admin/v2/clusters") == ["c"]
    assert worker.asked == [FUNCTIONS, FUNCTIONS]
    assert broker.asked == [FUNCTIONS, COORDINATION, "/admin/v2/clusters"]


def test_pulsars_own_tools_are_given_the_address_of_the_worker(nodes: tuple[Node, Node]) -> None:
    broker, worker = nodes
    assert Admin(broker.url, pauses_s=()).worker_url() == worker.url
    assert Admin(worker.url, pauses_s=()).worker_url() == worker.url


def test_a_worker_that_refuses_has_answered(nodes: tuple[Node, Node]) -> None:
    broker, worker = nodes
    worker.answers = dict.fromkeys(worker.answers, (401, {"reason": "Client is not authorized to perform operation"}))
    assert Admin(broker.url, pauses_s=()).worker_url() == worker.url


def test_without_any_worker_the_error_says_which_address_is_wanted(nodes: tuple[Node, Node]) -> None:
    broker, _ = nodes
    broker.answers[COORDINATION] = (404, {})
    with pytest.raises(
        RefusedError, match="a broker without a function worker, and it knows of none: set PULSAR_ADMIN"
    ):
        Admin(broker.url, pauses_s=()).get(FUNCTIONS)


def test_a_consumer_that_is_not_named_as_a_worker_is_passed_over() -> None:
    stats = consumers("reader", "w1:host.example:6750", "w2:host:x", "")
    assert list(addresses(stats, "https")) == ["https://host.example:6750"]
