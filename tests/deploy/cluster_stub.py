"""A stub of a Pulsar cluster: an admin REST API in this process, and a `pulsar-admin` that speaks to it."""

import itertools
import json
import random
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from deployment import namespace, topology

NO_CONTENT = 204
Answer = tuple[int, Any]
APPLIED = ":applied"
"""The end of the path of a question for what applies, the broker's settings included."""
STORED_AS = {policy.name: policy.stored_as for policy in namespace.policies(topology.load())} | {
    "backlogQuotaMap": "backlog_quota_map",
    "isAllowAutoUpdateSchema": "is_allow_auto_update_schema",
    "schemaCompatibilityStrategy": "schema_compatibility_strategy",
}
"""The names of policies among all of a namespace."""

# It is called as Pulsar's own is, hands its command line to the stub, and prints the stub's answer.
PULSAR_ADMIN = """#!{python} -IS
import json, sys, urllib.error, urllib.request
url = sys.argv[sys.argv.index("--admin-url") + 1]
request = urllib.request.Request(url + "/stub/pulsar-admin", json.dumps(sys.argv[1:]).encode(), method="POST")
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request)
except urllib.error.HTTPError as error:
    sys.exit("Reason: " + json.load(error)["reason"])
"""


@dataclass
class Function:
    """A function as the cluster has it."""

    config: dict[str, Any]
    package: bytes
    running: int | None = None
    error: str = ""
    restarts: int = 0
    # Of its only instance, as the worker's stats show them.
    metrics: dict[str, float] = field(default_factory=dict)
    # How many instances run in the next answers, before what `running` says.
    next_running: list[int] = field(default_factory=list)

    @property
    def parallelism(self) -> int:
        return int(self.config.get("parallelism", 1))

    def status(self) -> dict[str, Any]:
        running = self.parallelism if self.running is None else self.running
        if self.next_running:
            running = self.next_running.pop(0)
        # A process runtime restarts what does not run.
        self.restarts += running < self.parallelism
        each = [
            {
                "instanceId": number,
                "status": {"running": number < running, "error": self.error, "numRestarts": self.restarts},
            }
            for number in range(self.parallelism)
        ]
        return {"numInstances": self.parallelism, "numRunning": running, "instances": each}


@dataclass
class Cluster:
    """What the stub knows, and which changes it was asked for."""

    tenants: dict[str, Any] = field(default_factory=dict)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    # By namespace and policy.
    policies: dict[tuple[str, str], Any] = field(default_factory=dict)
    # What the broker enforces where the namespace has no such policy.
    enforced: dict[str, Any] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=dict)
    # Partitions that somebody deleted.
    deleted: set[str] = field(default_factory=set)
    # Partitions of topics that have no number of partitions.
    grown: set[str] = field(default_factory=set)
    # Paths that this role may not ask for, and what it may not change, as in `changes`.
    forbidden: set[str] = field(default_factory=set)
    version: str = "4.0.14"
    # The versions of a topic's schema, oldest first.
    schemas: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    properties: dict[str, dict[str, str]] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    backlog: dict[str, int] = field(default_factory=dict)
    # How much of it is not due yet.
    delayed: dict[str, int] = field(default_factory=dict)
    # Runs none of a function's instances from now on, and says this of them.
    failing: str = ""
    # How many instances are said to run in the answers after an update.
    after_update: list[int] = field(default_factory=list)
    # Each request that is no GET, and each command line of pulsar-admin.
    changes: list[str] = field(default_factory=list)
    commands: list[list[str]] = field(default_factory=list)
    url: str = ""
    pulsar_admin: Path = Path()
    lock: threading.Lock = field(default_factory=threading.Lock)

    def command(self, name: str) -> dict[str, str]:
        """The options of the last pulsar-admin command on function `name`, and `command` itself."""
        return next(found for found in map(options, reversed(self.commands)) if name_of(found) == name)

    def register(self, topic: str, kind: str, data: str) -> None:
        """Register a schema, as whoever sends with one does."""
        versions = self.schemas.setdefault(topic, [])
        versions.append({"version": len(versions), "type": kind, "data": data})

    def forget_changes(self) -> None:
        self.changes.clear()
        self.commands.clear()

    def answer(self, method: str, path: str, body: Any) -> Answer:
        with self.lock:
            if {path, f"{method} {path}"} & self.forbidden:
                return 403, {"reason": "This role may not"}
            if method != "GET" and not path.startswith("/stub/"):
                self.changes.append(f"{method} {path}")
            if path == "/stub/pulsar-admin":
                return self._cli(body)
            parts = path.strip("/").split("/")
            if parts[:2] == ["admin", "v3"]:
                return self._function("/".join(parts[3:6]), parts[6:], method)
            kind, rest = parts[2], parts[3:]
            handler = getattr(self, f"_{kind}", None)
            return handler(method, rest, body) if handler else (404, {"reason": f"the stub has no {path}"})

    def _brokers(self, method: str, rest: list[str], body: Any) -> Answer:
        return 200, self.version

    def _clusters(self, method: str, rest: list[str], body: Any) -> Answer:
        return 200, ["standalone"]

    def _worker(self, method: str, rest: list[str], body: Any) -> Answer:
        return 200, [{"workerId": "standalone"}]

    def _tenants(self, method: str, rest: list[str], body: Any) -> Answer:
        if method == "GET":
            return 200, list(self.tenants)
        return _create(self.tenants, rest[0], body)

    def _namespaces(self, method: str, rest: list[str], body: Any) -> Answer:
        name, what = "/".join(rest[:2]), rest[2:]
        if len(rest) == 1:
            known = [found for found in self.namespaces if found.startswith(f"{name}/")]
            return (200, known) if name in self.tenants else (404, {"reason": "Tenant not found"})
        if not what and method == "PUT":
            return _create(self.namespaces, name, {})
        if name not in self.namespaces:
            return 404, {"reason": "Namespace does not exist"}
        if method == "GET":
            return 200, self._of_namespace(name, *what)
        if what == ["properties"]:
            self.namespaces[name].update(body)
        elif method == "DELETE":
            del self.policies[name, what[0]]
        else:
            self.policies[name, what[0]] = body
        return NO_CONTENT, None

    def _of_namespace(self, name: str, what: str = "") -> Any:
        if what == "properties":
            return self.namespaces[name]
        if not what:
            stored = {
                STORED_AS.get(policy, policy): value for (of, policy), value in self.policies.items() if of == name
            }
            return {**stored, "properties": self.namespaces[name]}
        policy, applied, _ = what.partition(APPLIED)
        return self.policies.get((name, policy), self.enforced.get(policy) if applied else None)

    def _persistent(self, method: str, rest: list[str], body: Any) -> Answer:
        namespace_, topic, what = "/".join(rest[:2]), "/".join(rest[:3]), "".join(rest[3:]).removesuffix(APPLIED)
        if not what:
            names = [name for name in self.topics if name.startswith(namespace_)]
            if len(rest) == 2:
                names = [f"{name}-partition-{each}" for name in names for each in range(self.topics[name])]
                names += self.grown
            return 200, [f"persistent://{name}" for name in names if name not in self.deleted]
        if what == "partitioned-stats":
            found = {"msgBacklog": self.backlog.get(rest[2], 0), "msgDelayed": self.delayed.get(rest[2], 0)}
            return 200, {"subscriptions": dict.fromkeys(("ordenes", "pagos", "reporting"), found)}
        if what == "properties":
            return self._topic_properties(method, topic, body)
        if method == "GET":
            strategy = what == "schemaCompatibilityStrategy"
            return 200, self.policies.get((namespace_, what)) if strategy else {"partitions": self.topics.get(topic, 0)}
        return self._change_topic(method, topic, what, body)

    def _change_topic(self, method: str, topic: str, what: str, body: Any) -> Answer:
        if what == "createMissedPartitions":
            self.deleted = {name for name in self.deleted if not name.startswith(f"{topic}-partition-")}
        elif method == "PUT":
            return _create(self.topics, topic, body)
        else:
            self.topics[topic] = body
        return NO_CONTENT, None

    def _topic_properties(self, method: str, topic: str, body: Any) -> Answer:
        if topic not in self.topics:
            return 404, {"reason": "Topic not found"}
        if method == "GET":
            return 200, self.properties.get(topic)
        self.properties.setdefault(topic, {}).update(body)
        return NO_CONTENT, None

    def _schemas(self, method: str, rest: list[str], body: Any) -> Answer:
        return 200, {"getSchemaResponses": self.schemas.get("/".join(rest[:3]), [])}

    def _function(self, name: str, rest: list[str], method: str) -> Answer:
        function = self.functions.get(name)
        if function is None:
            return 404, {"reason": f"Function {name} doesn't exist"}
        if rest == ["stats"]:
            return 200, {"instances": [{"instanceId": 0, "metrics": {"userMetrics": function.metrics}}]}
        return 200, function.status() if rest == ["status"] else function.config

    def _cli(self, arguments: list[str]) -> Answer:
        """Create and update as the function worker does: a file replaces the config, an option only its own value.

        An update that says nothing of the parallelism keeps it.
        """
        self.commands.append(arguments)
        found = options(arguments)
        config = (
            yaml.safe_load(Path(found["function-config-file"]).read_text()) if "function-config-file" in found else {}
        )
        tenant, namespace, name = (config.get(key) or found[key] for key in ("tenant", "namespace", "name"))
        full_name = f"{tenant}/{namespace}/{name}"
        known = self.functions.get(full_name)
        if (known is None) != (found["command"] == "create"):
            return 400, {"reason": f"Function {name} {'already exists' if known else 'does not exist'}"}
        config = config or dict(known.config if known else {})
        there = known.parallelism if known else 1
        config["parallelism"] = int(found.get("parallelism", config.get("parallelism", there)))
        package = Path(found["py"]).read_bytes() if "py" in found else known.package if known else b""
        if known and (known.config, "py" in found) == (config, False):
            return 400, {"reason": "Update contains no change"}
        function = Function(config, package, 0 if self.failing else None, self.failing)
        if known:
            function.next_running = self.after_update
        self.functions[full_name] = function
        return NO_CONTENT, None


def options(arguments: list[str]) -> dict[str, str]:
    """The options of a command line by name, and as `command` the word after `functions`."""
    named = {word.removeprefix("--"): value for word, value in itertools.pairwise(arguments) if word.startswith("--")}
    return {"command": arguments[arguments.index("functions") + 1], **named}


def name_of(found: dict[str, str]) -> str:
    """The function that a command is about."""
    return found.get("name") or str(yaml.safe_load(Path(found["function-config-file"]).read_text())["name"])


def _create(known: dict[str, Any], name: str, value: Any) -> Answer:
    if name in known:
        return 409, {"reason": f"{name} already exists"}
    known[name] = value
    return NO_CONTENT, None


def _server(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Listen where a local stack's admin API can be: the usual port and some offset."""
    for port in random.sample(range(8200, 18000), 50):
        try:
            server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError:
            continue
        server.daemon_threads = True
        return server
    raise OSError("no free port")


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Serve an empty cluster; its `pulsar-admin` is written to `folder`."""
    cluster = Cluster()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            parts = urlsplit(self.path)
            path = parts.path + (APPLIED if "applied=true" in parts.query else "")
            status, answer = cluster.answer(self.command, path, json.loads(content) if content else None)
            text = b"" if status == NO_CONTENT else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status != NO_CONTENT:
                self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - the names are http.server's

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            """Stay quiet."""

    server = _server(Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    cluster.url = f"http://127.0.0.1:{server.server_port}"
    cluster.pulsar_admin = folder / "pulsar-admin"
    cluster.pulsar_admin.write_text(PULSAR_ADMIN.format(python=sys.executable))
    cluster.pulsar_admin.chmod(0o755)
    try:
        yield cluster
    finally:
        server.shutdown()
        server.server_close()
