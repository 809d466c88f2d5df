"""Runs the cluster's nodes: starts, kills and stops them, and starts those again that ended by themselves."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Self

import psutil

from connection.admin import Admin
from connection.errors import PulsarError, RefusedError
from deployment import function_configs
from local_stack import distribution, ports
from local_stack.java import ADMIN
from local_stack.processes import PidFile, send, start_detached, tail, wait_gone
from local_stack.settings import from_environment
from schemas.tienda.topics import NAMESPACE
from tests.cluster.databases import Databases
from tests.cluster.layout import HOST, NAME, PORTS, Layout
from tests.e2e.publisher.link import Link

UP_S = 300.0
POLL_S = 0.3
SUPERVISED_EVERY_S = 1.0


class NotUpError(Exception):
    """A node didn't come up; its log says why."""


class Cluster:
    """A cluster on this machine's loopback: Pulsar's nodes, and two PostgreSQL servers.

    Use as a context: entering brings it up, leaving stops it and removes its data.
    """

    def __init__(self) -> None:
        settings = from_environment()
        base = next(base for base in PORTS if not any(map(ports.is_taken, range(base, base + 900, 1))))
        home = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
        layout = Layout(home, base, distribution.ensure(settings))
        # A link needs the broker's port, and the broker the link's.
        self.links = [Link(f"pulsar://{HOST}:{layout.port(broker, 'apart')}") for broker in layout.brokers]
        self.layout = replace(layout, links=tuple(link.port for link in self.links))
        self.databases = Databases(
            settings.cache, home / "postgres", (layout.port("postgres1"), layout.port("postgres2"))
        )
        self.restarted: list[str] = []
        self.up_s = 0.0
        self._java = distribution.java_home()
        self._archive = distribution.class_data_archive(settings)
        self._down: set[str] = set(self.layout.nodes)
        self._ending = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    # -- as a whole

    def __enter__(self) -> Self:
        try:
            self._up()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop everything, and remove the data unless ``ALPES_KEEP_STACK=1``, for whoever wants to read the logs."""
        self._ending.set()
        if self._supervisor.is_alive():
            self._supervisor.join(30)
        everything = [pid for node in self.layout.nodes if (pid := self.pid(node))]
        everything += [pid for worker in self.layout.workers for pid in self.instances(worker)]
        send(everything, signal.SIGKILL)
        wait_gone(everything, 10)
        for link in self.links:
            link.close()
        self.databases.close()
        if os.environ.get("ALPES_KEEP_STACK") != "1":
            shutil.rmtree(self.layout.home, ignore_errors=True)

    def _up(self) -> None:
        layout, started = self.layout, time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            postgres = pool.submit(self.databases.start)
            self.start("zookeeper")
            self._initialise()
            list(pool.map(self.start, layout.bookies))
            list(pool.map(self.start, layout.brokers))
            proxy = pool.submit(self.start, "proxy")
            # Two workers that make their topics at once have been seen to end with 412.
            for worker in layout.workers:
                self.start(worker)
            proxy.result()
            postgres.result()
        self._until(self.workers_ready, UP_S, "the workers know each other")
        self._supervisor.start()
        self.up_s = time.monotonic() - started

    def _initialise(self) -> None:
        """Write the metadata of a new cluster."""
        layout = self.layout
        command = [
            layout.command("zookeeper")[0],
            "initialize-cluster-metadata",
            *("--cluster", NAME),
            *("--metadata-store", layout.metadata_url),
            *("--configuration-metadata-store", layout.metadata_url),
            *("--web-service-url", layout.web_url),
            *("--broker-service-url", layout.service_url),
        ]
        log = layout.home / "initialise.log"
        environ = self._environment("zookeeper") | {"PULSAR_LOG_FILE": "initialise.log"}
        done = start_detached(command, pid_file=PidFile(layout.home / "initialise.pid"), log=log, environ=environ)
        if done.wait(120):
            raise NotUpError(tail(log))

    def workers_ready(self) -> bool:
        """Whether every worker knows the others, and the functions."""
        try:
            found = [
                len(
                    Admin(f"http://{HOST}:{self.layout.port(worker)}", timeout_s=5, pauses_s=()).get(
                        "/admin/v2/worker/cluster"
                    )
                )
                for worker in self.layout.workers
            ]
            self.admin.get("/admin/v3/functions/public/default")
        except PulsarError:
            return False
        return found == [len(self.layout.workers)] * len(found)

    # -- what others need

    @property
    def admin(self) -> Admin:
        """The proxy's admin API."""
        return Admin(self.layout.admin_url, timeout_s=10, pauses_s=())

    def environment(self) -> dict[str, str]:
        """Return the variables with which `deploy.sh` and `alpes` take this cluster for their own."""
        return {
            "PULSAR_SERVICE_URL": self.layout.service_url,
            "PULSAR_ADMIN_URL": self.layout.admin_url,
            "PULSAR_ADMIN": str(self._pulsar_admin()),
            **self.dsns(),
        }

    def dsns(self) -> dict[str, str]:
        """Return the DSN of each service, by its variable."""
        configs = function_configs.load().values()
        return {config.dsn_variable: self.databases.dsn(config.name) for config in configs if config.dsn_variable}

    def _pulsar_admin(self) -> Path:
        """Write a `pulsar-admin` that needs no installed Java."""
        program = self.layout.home / "pulsar-admin"
        if not program.exists():
            dist = self.layout.distribution
            program.write_text(
                f'#!/bin/sh\nexec "{self._java}/bin/java" -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1'
                f' -XX:SharedArchiveFile="{self._archive}" -Dlog4j.configurationFile="{dist}/conf/log4j2.yaml"'
                f" -Dpulsar.log.appender=Console -Dpulsar.log.level=warn -Dpulsar.log.root.level=warn"
                f' -cp "{dist}/conf:{dist}/lib/*" {ADMIN} "{dist}/conf/client.conf" "$@"\n'
            )
            program.chmod(0o755)
        return program

    # -- nodes

    def pid(self, node: str) -> int | None:
        """Return the process of a node while it runs."""
        return PidFile(self.layout.folder(node) / "pid").running()

    def start(self, node: str, *, wait: bool = True) -> None:
        """Start a node that doesn't run, and wait until it answers."""
        layout, folder = self.layout, self.layout.folder(node)
        layout.configure(node)
        start_detached(
            layout.command(node),
            pid_file=PidFile(folder / "pid"),
            log=folder / "logs" / "out",
            environ=self._environment(node),
            cwd=folder,
        )
        self._down.discard(node)
        if wait:
            self.wait_up(node)

    def wait_up(self, node: str) -> None:
        """Wait until a node answers at its port; a bookie that of its state store, which it opens last."""
        port = self.layout.port(node, "state" if node in self.layout.bookies else "")
        self._until(lambda: ports.is_taken(port), UP_S, f"{node} answers", node)

    def kill(self, node: str, *, with_instances: bool = False) -> None:
        """Kill a node (SIGKILL), and the functions of a worker if they are to die with it; it isn't started again."""
        self._down.add(node)
        pids = [pid] if (pid := self.pid(node)) else []
        if with_instances:
            pids += self.instances(node)
        send(pids, signal.SIGKILL)
        wait_gone(pids, 10)

    def stop(self, node: str) -> None:
        """Stop a node in good order."""
        self._down.add(node)
        pid = self.pid(node)
        if pid is not None:
            send([pid], signal.SIGTERM)
            send(wait_gone([pid], 40), signal.SIGKILL)

    def instances(self, worker: str) -> dict[int, str]:
        """Return the processes of the functions that a worker has started, with the name of the function of each."""
        mark, found = str(self.layout.function_logs(worker)), {}
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if mark in command and "--function_details" in command:
                details = command[command.index("--function_details") + 1]
                names = (name for name in function_configs.load() if f'"name":"{name}"' in details)
                found[process.pid] = next(names, "")
        return found

    def owner(self, topic: str) -> str:
        """Return the broker that owns a topic's first partition."""
        path = f"/lookup/v2/topic/persistent/{NAMESPACE}/{topic}-partition-0"
        asked = Admin(f"http://{HOST}:{self.layout.port('broker1')}", timeout_s=60)
        port = int(asked.get(path)["brokerUrl"].rsplit(":", 1)[1])
        return next(broker for broker in self.layout.brokers if self.layout.port(broker, "binary") == port)

    def crowded(self) -> str:
        """Return the worker that has the most functions."""
        return max(self.layout.workers, key=lambda worker: len(self.instances(worker)))

    def memory_mb(self) -> float:
        """Return the memory that Pulsar's nodes have, in MB."""
        pids = [pid for node in self.layout.nodes if (pid := self.pid(node))]
        return sum(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6

    def rebalance(self) -> None:
        """Have the workers share the functions evenly, as `rebalanceCheckFreqSec` does every so often."""
        # It is refused while one is under way.
        with contextlib.suppress(RefusedError):
            self.admin.put("/admin/v2/worker/rebalance")

    def _environment(self, node: str) -> dict[str, str]:
        own = {**self.dsns(), "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
        return self.layout.environment(node, self._java, self._archive, own)

    def _supervise(self) -> None:
        """Start nodes again that ended by themselves: systemd, Kubernetes and the like do so on a real cluster."""
        while not self._ending.wait(SUPERVISED_EVERY_S):
            for node in self.layout.nodes:
                if node not in self._down and self.pid(node) is None and not self._ending.is_set():
                    self.restarted.append(node)
                    with contextlib.suppress(NotUpError):
                        self.start(node, wait=False)

    def _until(self, holds: Callable[[], object], seconds: float, what: str, node: str = "") -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            ended = bool(node) and self.pid(node) is None
            if ended or time.monotonic() > deadline:
                log = self.layout.folder(node) / "logs" / f"{node}.log" if node else self.layout.home
                why = "it ended" if ended else f"not after {seconds:.0f} s"
                raise NotUpError(f"{what}: {why}. {log}:\n{tail(log)}")
            time.sleep(POLL_S)
