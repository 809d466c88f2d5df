"""The running system as the end-to-end tests see it: topics, tables, the admin API and processes, never its code."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pulsar

from alpes_wire import Message
from connection import reading
from connection.admin import Admin
from connection.client import Client
from connection.errors import PulsarError, RefusedError
from deployment import function_configs
from local_stack.settings import from_environment
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.lanes import patient

ROOT = Path(__file__).parents[2]
INPUTS = {
    name: [topic.rpartition("/")[2] for topic in config.inputs] for name, config in function_configs.load().items()
}
"""The local names of each function's inputs, as its config has them."""
FUNCTIONS = tuple(INPUTS)
LAST = "~"
"""Sorts after every character of an order id, so that a prefix is a range that the tables' index finds."""
FIGURES: list[str] = []
"""What tests measured; shown at the end of the run."""


@dataclass(frozen=True)
class Tienda:
    """One running system."""

    service_url: str
    admin_url: str
    pulsar_admin: str
    dsns: dict[str, str]
    client: Client
    environment: dict[str, str]

    def topic(self, name: str) -> str:
        return f"persistent://{NAMESPACE}/{name}"

    # -- topics

    def publish(
        self, topic: str, payloads: Iterable[tuple[str, bytes]], properties: dict[str, str] | None = None
    ) -> int:
        """Publish pairs of key and bytes, all with these properties, and wait until each is confirmed."""
        producer = self.client.create_producer(
            self.topic(topic), block_if_queue_full=True, batching_max_publish_delay_ms=5, max_pending_messages=20_000
        )
        results: list[Any] = []
        sent = 0
        for key, payload in payloads:
            producer.send_async(
                payload, lambda result, _id: results.append(result), properties, partition_key=key or None
            )
            sent += 1
        producer.flush()
        wait_until(lambda: len(results) == sent, 30, "every message is confirmed")
        producer.close()
        assert all(result == pulsar.Result.Ok for result in results)
        return sent

    def read(self, topic: str, since_ms: int | None = None) -> list[Message]:
        """Return all readable messages of a topic; an earlier test may have left unreadable ones.

        Of the messages published before the given time (Unix milliseconds), only some are returned.
        """
        admin = Admin(self.admin_url)
        return [
            message
            for partition in reading.partitions(admin, topic)
            for message in reading.read(
                self.client, admin, partition, start=reading.start_at(admin, partition, since_ms)
            )
            if is_text(message)
        ]

    # -- tables

    def rows(self, database: str, query: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsns[database], autocommit=True) as connection:
            return connection.execute(query.encode(), params).fetchall()

    def statuses(self, database: str, prefix: str) -> dict[str, str]:
        """Return the status of each order with this prefix, by id."""
        table, column = ("transacciones", "order_id") if database == "pagos" else ("ordenes", "id")
        query = f"SELECT {column}, status FROM {table} WHERE {column} >= %s AND {column} < %s"
        return dict(self.rows(database, query, prefix, prefix + LAST))

    def ended(self, prefix: str) -> int:
        query = "SELECT count(*) FROM ordenes WHERE id >= %s AND id < %s"
        return int(self.rows("reporting", query, prefix, prefix + LAST)[0][0])

    def wait_ended(self, prefix: str, number: int, seconds: float) -> None:
        """Wait until so many orders of this prefix have ended; if they don't, fail and show which messages wait."""
        seconds = patient(seconds)
        started = time.monotonic()
        while (ended := self.ended(prefix)) != number:
            assert time.monotonic() - started < seconds, (
                f"after {seconds:.0f} s {ended} of {number} orders have ended; still waiting: {self.waiting()}"
            )
            time.sleep(0.2)

    def wait_idle(self, seconds: float = 60) -> float:
        """Wait until no message waits for a function, and return how many seconds that took."""
        return wait_until(lambda: self.backlog() == 0, seconds, "the system is idle")

    def still_waiting(self) -> str:
        """Return which messages wait, or that Pulsar doesn't say."""
        try:
            return str(self.waiting())
        except PulsarError as error:
            return str(error)

    def ends_of_logs(self, lines: int = 25) -> list[tuple[str, str]]:
        """Return the name of each function instance's log, and its last lines."""
        logs = sorted(from_environment(self.environment).function_logs.rglob("*.log"))
        return [(log.name, "\n".join(log.read_text(errors="replace").splitlines()[-lines:])) for log in logs]

    # -- admin

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request to Pulsar's admin API, and return the answer."""
        return Admin(self.admin_url, pauses_s=()).request(method, path, body)

    def state(self, function: str, key: str) -> str | None:
        try:
            answer = self.admin("GET", f"/admin/v3/functions/{NAMESPACE}/{function}/state/{key}")
        except RefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise
        return str(answer["stringValue"])

    def states(self, function: str, keys: Iterable[str]) -> dict[str, str | None]:
        """Return the values of many keys."""
        asked = list(keys)
        with ThreadPoolExecutor(8) as pool:
            return dict(zip(asked, pool.map(lambda key: self.state(function, key), asked), strict=True))

    def state_is_current(self) -> bool:
        """Whether no change of an order is still to be written to the state store."""
        return self.rows("ordenes", "SELECT count(*) FROM estado_pendiente") == [(0,)]

    def totals(self) -> dict[str, int]:
        """Return the running totals by their keys in the state store, as a count of Reporting's table gives them."""
        found = {f"total:{status}": 0 for status in FINAL_STATUSES}
        query = "SELECT status, currency, count(*), sum(total_cents) FROM ordenes GROUP BY status, currency"
        for status, currency, orders, cents in self.rows("reporting", query):
            found[f"total:{status}"] += orders
            found[f"total_cents:{status}:{currency}"] = int(cents)
        return found

    def shown_totals(self, keys: Iterable[str]) -> dict[str, int]:
        """Return the totals of these keys as the state store shows them."""
        return {key: int(value or 0) for key, value in self.states("reporting", list(keys)).items()}

    def instances(self, function: str) -> list[dict[str, Any]]:
        answer = self.admin("GET", f"/admin/v3/functions/{NAMESPACE}/{function}/status")
        return [instance["status"] for instance in answer["instances"]]

    def running(self, function: str) -> int:
        """Return how many instances run; none where the worker says "not alive", as of one that has just died."""
        try:
            return sum(bool(status["running"]) for status in self.instances(function))
        except PulsarError:
            return 0

    def restarts(self) -> dict[str, int]:
        return {f: sum(status["numRestarts"] for status in self.instances(f)) for f in FUNCTIONS}

    def backlog(self) -> int:
        """Return the messages that any function has still to acknowledge."""
        return sum(backlog for backlog, _unacknowledged in self.waiting().values())

    def waiting(self) -> dict[str, tuple[int, int]]:
        """Return, of each input with any, the due messages not acknowledged, and those that were handed out."""
        waiting = {}
        for function, topics in INPUTS.items():
            for topic in topics:
                stats = self.admin("GET", f"/admin/v2/persistent/{NAMESPACE}/{topic}/partitioned-stats")
                found = stats["subscriptions"].get(function, {})
                # A timer that isn't due yet doesn't count as waiting.
                if (backlog := found.get("msgBacklog", 0) - found.get("msgDelayed", 0)) > 0:
                    waiting[topic] = (backlog, found.get("unackedMessages", 0))
        return waiting

    def consumers(self, function: str) -> int:
        """Return how many consumers the function has on its first input."""
        stats = self.admin("GET", f"/admin/v2/persistent/{NAMESPACE}/{INPUTS[function][0]}-partition-0/stats")
        return len(stats["subscriptions"][function]["consumers"])

    def unacknowledged(self, function: str, process: psutil.Process) -> int:
        """Return how many messages of the first input an instance holds unacknowledged."""
        ports = {connection.laddr.port for connection in process.net_connections("tcp")}
        stats = self.admin("GET", f"/admin/v2/persistent/{NAMESPACE}/{INPUTS[function][0]}-partition-0/stats")
        consumers = stats["subscriptions"][function]["consumers"]
        return sum(c["unackedMessages"] for c in consumers if int(c["address"].rsplit(":", 1)[1]) in ports)

    def acknowledged(self, function: str) -> dict[str, tuple[str, str]]:
        """Return, for each input, up to where everything is acknowledged, and what is acknowledged beyond."""
        found = {}
        for topic in INPUTS[function]:
            stats = self.admin("GET", f"/admin/v2/persistent/{NAMESPACE}/{topic}-partition-0/internalStats")
            cursor = stats["cursors"][function]
            found[topic] = (cursor["markDeletePosition"], cursor["individuallyDeletedMessages"])
        return found

    def rewind(self, function: str, to: float = 0, *, without: Collection[str] = ()) -> None:
        """Reset the function's subscriptions to a time in Unix seconds, or to the start of their topics."""
        for topic in set(INPUTS[function]) - set(without):
            path = f"/admin/v2/persistent/{NAMESPACE}/{topic}/subscription/{function}/resetcursor"
            self.admin("POST", f"{path}/{int(to * 1000)}")

    def unload(self, function: str) -> None:
        """Make the broker close the function's topics and open them again, so that their readers reconnect."""
        for topic in INPUTS[function]:
            self.admin("PUT", f"/admin/v2/persistent/{NAMESPACE}/{topic}-partition-0/unload")

    def update(self, function: str, *options: str) -> None:
        """Run ``pulsar-admin functions update``."""
        tenant, namespace = NAMESPACE.split("/")
        self._functions("update", "--tenant", tenant, "--namespace", namespace, "--name", function, *options)

    def recreate(self, function: str, *options: str) -> None:
        """Delete a function, whose subscriptions stay, and run ``pulsar-admin functions create``."""
        self.admin("DELETE", f"/admin/v3/functions/{NAMESPACE}/{function}")
        wait_until(lambda: not self.processes(function), 60, f"{function} has gone")
        self._functions("create", *options)

    def _functions(self, *arguments: str) -> None:
        command = [self.pulsar_admin, "functions", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def user_config(self, function: str) -> dict[str, Any]:
        return dict(self.admin("GET", f"/admin/v3/functions/{NAMESPACE}/{function}")["userConfig"])

    # -- processes

    def processes(self, function: str) -> list[psutil.Process]:
        """Return the function's instance processes that belong to this broker."""
        port = self.service_url.rsplit(":", 1)[1].strip("/")
        found = []
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if not any("python_instance_main" in word for word in command) or "--pulsar_serviceurl" not in command:
                continue
            ours = command[command.index("--pulsar_serviceurl") + 1].rstrip("/").endswith(f":{port}")
            if ours and any(f'"name":"{function}"' in word for word in command):
                found.append(process)
        return found


@contextmanager
def stopped(stack: Tienda, function: str) -> Iterator[None]:
    """Let Pulsar stop a function for the length of a ``with`` block."""
    path = f"/admin/v3/functions/{NAMESPACE}/{function}"
    stack.admin("POST", f"{path}/stop")
    wait_until(lambda: not stack.processes(function), 60, f"{function} has stopped")
    try:
        yield
    finally:
        stack.admin("POST", f"{path}/start")
        wait_until(lambda: stack.running(function), 60, f"{function} runs again")


@contextmanager
def configured(stack: Tienda, function: str, **changes: Any) -> Iterator[None]:
    """Change a function's userConfig for the length of a ``with`` block."""
    before = stack.user_config(function)
    configure(stack, function, before | changes)
    try:
        yield
    finally:
        configure(stack, function, before)


def configure(stack: Tienda, function: str, config: dict[str, Any]) -> None:
    """Set a function's userConfig, and wait until only instances that have it run."""
    old = stack.processes(function)
    stack.update(function, "--user-config", json.dumps(config))
    wait_replaced(stack, function, old)


def wait_replaced(stack: Tienda, function: str, old: Sequence[psutil.Process]) -> None:
    """Wait until the instances from before an update have gone and new ones run."""
    wait_until(lambda: not any(lives(process) for process in old), 60, f"the old instances of {function} have gone")
    wait_until(lambda: stack.running(function), 60, f"the new ones of {function} run")


def lives(process: psutil.Process) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def flowing(stack: Tienda, start: str, lot: int) -> Iterator[list[str]]:
    """Keep sending orders, ``lot`` at a time, within a ``with`` block; yields the prefixes of the sent orders."""
    over = threading.Event()
    lots: list[str] = []

    def send() -> None:
        while not over.is_set():
            prefix = f"{start}{len(lots):04d}-"
            stack.publish("crear-orden", orders(prefix, lot))
            lots.append(prefix)
            time.sleep(0.3)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield lots
    finally:
        over.set()
        sender.join()


def new_prefix(begin: str) -> str:
    """Return a new prefix for the ids of a test's orders; ``begin`` names the test."""
    return f"{begin}{uuid.uuid4().hex[:10]}-"


def is_text(message: Message) -> bool:
    """Whether a message can be read, and has a key and properties that a sender can write."""
    try:
        return not message.problem and (message.partition_key(), message.properties()) is not None
    except UnicodeDecodeError:
        return False


def orders(prefix: str, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield valid orders with ids of a common prefix."""
    now_ms = time.time_ns() // 1_000_000
    for n in range(number):
        order_id = f"{prefix}{n:06d}"
        order = CrearOrden(
            id=order_id, client_id=n, address=f"Calle {n}", created_at_ms=now_ms, total_cents=100 + n, currency="USD"
        )
        yield order_id, order.SerializeToString()


def alpes(*arguments: str, tienda: Tienda, timeout: float = 300, answer: str = "") -> subprocess.CompletedProcess[str]:
    """Run the client; `answer` is what the user types."""
    environment = dict(os.environ, PULSAR_SERVICE_URL=tienda.service_url, PULSAR_ADMIN_URL=tienda.admin_url)
    return subprocess.run(
        [sys.executable, "-m", "client", *arguments],
        cwd=ROOT,
        env=environment,
        input=answer,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def wait_until(holds: Callable[[], object], seconds: float, what: str, every: float = 0.2) -> float:
    """Wait until a condition holds, and return how many seconds that took; if it never does, fail with ``what``."""
    seconds = patient(seconds)
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < seconds, f"after {seconds:.0f} s, still not: {what}"
        time.sleep(every)
    return time.monotonic() - started


def note(figure: str) -> None:
    """Show a measured figure at the end of the run."""
    FIGURES.append(figure)


def keys(messages: Sequence[Any]) -> list[str]:
    return [message.partition_key() for message in messages]
