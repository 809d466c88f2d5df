"""A Pulsar that answers what `alpes autoscale` asks, and takes its changes; a real HTTP server."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FUNCTION = "/admin/v3/functions/alpes/tienda/"


@dataclass
class Stub:
    """What Pulsar has.

    Attributes
    ----------
    url
        Its address.
    answers
        What it answers a GET, by the path.
    parallelism
        The number of instances of each function that is deployed.
    asked
        Each change that was asked for: method and path.
    refuses
        Paths of requests that it forbids.
    leader
        The address of the leader of its workers, which alone rebalances; empty if it is the leader.
    """

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    parallelism: dict[str, int] = field(default_factory=lambda: {"ordenes": 1, "pagos": 1, "reporting": 1})
    asked: list[tuple[str, str]] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    leader: str = ""
    processed: int = 0
    arrived: int = 0
    backlog: int = 0
    delayed: int = 0
    cpu_cores: float = 0.1
    workers: list[str] = field(default_factory=lambda: ["w0"])

    def answer(self, path: str) -> Any:
        """Return what is at a path; None if nothing is."""
        if path in self.answers:
            return self.answers[path]
        if path == "/admin/v2/worker/cluster":
            return [{"workerId": worker} for worker in self.workers]
        if "partitioned-stats" in path:
            return self._topic(path.split("/")[-2])
        name, _, what = path.removeprefix(FUNCTION).partition("/")
        if not path.startswith(FUNCTION) or name not in self.parallelism:
            return None
        numbers = range(self.parallelism[name])
        if what == "status":
            each = [
                {"instanceId": n, "status": {"running": True, "workerId": self.workers[n % len(self.workers)]}}
                for n in numbers
            ]
            return {"numInstances": len(each), "numRunning": len(each), "instances": each}
        metrics = {
            "user_metric_use.cpu_cores_sum": self.cpu_cores,
            "user_metric_use.memory_bytes_sum": 100e6,
            "user_metric_use.free_memory_bytes_sum": 4e9,
            "user_metric_use.disk_share_sum": 0.4,
        }
        told = {"processedSuccessfullyTotal": self.processed, "userMetrics": metrics}
        return {"instances": [{"instanceId": n, "metrics": told} for n in numbers]}

    def _topic(self, topic: str) -> dict[str, Any]:
        # One input of each function has it all.
        first = topic in {"crear-orden", "orden-creada", "orden-actualizada"}
        own = {"msgBacklog": self.backlog, "msgDelayed": self.delayed, "consumers": [{"avgMessagesPerEntry": 50}]}
        empty = {"msgBacklog": 0, "consumers": []}
        return {
            "msgInCounter": self.arrived if first else 0,
            "subscriptions": dict.fromkeys(("ordenes", "pagos", "reporting"), own if first else empty),
        }


@contextmanager
def running(stub: Stub) -> Iterator[Stub]:
    """Serve a stub."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = stub.answer(self.path)
            self._reply(403 if self.path in stub.refuses else 404 if found is None else 200, found)

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            stub.asked.append(("PUT", self.path))
            if self.path in stub.refuses:
                self._reply(403, {"reason": "no"})
            elif stub.leader and self.path.endswith("/rebalance"):
                self.send_response(307)
                self.send_header("Location", stub.leader + self.path)
                self.end_headers()
            elif self.path.startswith(FUNCTION):
                stub.parallelism[self.path.removeprefix(FUNCTION)] = self._config(body)["parallelism"]
                self._reply(204, None)
            else:
                self._reply(204, None)

        def _config(self, body: bytes) -> dict[str, Any]:
            """Return the function config of a form, as Pulsar's server takes it apart."""
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            _, part = BytesParser().parsebytes(head + body).walk()
            assert part.get_content_type() == "application/json"
            assert 'name="functionConfig"' in part["Content-Disposition"]
            config: dict[str, Any] = json.loads(str(part.get_payload()))
            assert set(config) == {"tenant", "namespace", "name", "parallelism"}
            return config

        def _reply(self, code: int, answer: Any) -> None:
            body = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
