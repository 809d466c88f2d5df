"""A payment gateway on this machine that keeps a ledger and is as unreliable as it is told to be."""

import json
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any, Self

FAULTS = ("slow", "reset", "500", "429", "drop")
"""``drop`` does what it is asked and then resets the connection instead of answering; the others do nothing."""


@dataclass
class Ledger:
    """What was charged and paid back, by ``Idempotency-Key``; shared by all requests.

    Attributes
    ----------
    done
        Content and answer of each key that something was done for.
    effects
        How often something was done for a key; once is right.
    asked
        Requests in all, by path; and by fault.
    """

    done: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    effects: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def perform(self, path: str, key: str, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Do what is asked, or repeat the answer if the key was used before."""
        with self.lock:
            if key in self.done:
                before, answer = self.done[key]
                return (200, answer) if before == content else (409, {"error": "the key was used with other content"})
            status = "refunded" if path == "/refunds" else "declined" if _declines(key) else "approved"
            answer = {"id": f"g-{len(self.done)}", "status": status}
            self.done[key] = (content, answer)
            self.effects[key] += 1
            return 200, answer

    def charged(self) -> dict[str, int]:
        """Return order id → cents of what was approved."""
        return {
            content["order_id"]: content["amount_cents"]
            for content, answer in self.done.values()
            if answer["status"] == "approved"
        }

    def refunded(self) -> dict[str, int]:
        """Return order id → cents of what was paid back."""
        return {
            content["order_id"]: content["amount_cents"]
            for content, answer in self.done.values()
            if answer["status"] == "refunded"
        }


def _declines(key: str) -> bool:
    return Random(key).random() < 0.1


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, *_: object) -> None:
        """Say nothing: the caller has died, or no longer waits."""


class GatewayServer:
    """The gateway; use it in a ``with`` statement.

    Parameters
    ----------
    faults
        Share of requests that meet each of `FAULTS`, 0 to 1; changed while it runs.
    slow_s
        How long a slow one takes.
    seed
        Draws which requests meet a fault.

    Attributes
    ----------
    faults_at
        Paths that have faults of their own in place of ``faults``.
    slowed
        Keys of the requests that were slow.
    """

    def __init__(self, faults: dict[str, float] | None = None, slow_s: float = 1.0, seed: int | str = 0) -> None:
        self.ledger = Ledger()
        self.faults = faults or {}
        self.faults_at: dict[str, dict[str, float]] = {}
        self.slowed: set[str] = set()
        self.slow_s = slow_s
        self.random = Random(seed)
        self._server = QuietServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def draw(self, path: str) -> str:
        """Return the fault that the next request meets, empty for none."""
        faults = self.faults_at.get(path, self.faults)
        with self.ledger.lock:
            point = self.random.random()
            for fault in FAULTS:
                point -= faults.get(fault, 0.0)
                if point < 0:
                    self.ledger.asked[fault] += 1
                    return fault
        return ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


REFUSALS: dict[str, tuple[int, dict[str, Any], dict[str, str]]] = {
    "500": (500, {"error": "an error of the gateway"}, {}),
    "429": (429, {"error": "too many requests"}, {"Retry-After": "1"}),
}


def _handler(gateway: GatewayServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            path, key = self.path.removeprefix("/v1"), self.headers["Idempotency-Key"]
            with gateway.ledger.lock:
                gateway.ledger.asked[path] += 1
            fault = gateway.draw(path)
            if fault == "slow":
                gateway.slowed.add(key)
                time.sleep(gateway.slow_s)
            if fault in REFUSALS:
                self._answer(*REFUSALS[fault])
                return
            answer = (0, {}) if fault == "reset" else gateway.ledger.perform(path, key, content)
            if fault in ("reset", "drop"):
                self._reset()
            else:
                self._answer(*answer)

        def _answer(self, status: int, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            try:
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True  # the caller did not wait

        def _reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
