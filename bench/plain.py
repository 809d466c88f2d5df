"""The same services in a plain program on the Pulsar client: no function, no function worker.

    python -m bench.plain ordenes --user-config '{…}' --state bk://127.0.0.1:4181

It runs the very same handlers, stores, batching and publishing as the function of that name, on the function's own
topics and subscription; stop the function before. What lies between the two is what Pulsar's worker and its Python
instance cost: the worker's share of the broker, the instance's threads, its gRPC server and its metrics.

Prints ``ready`` once it takes messages, and drains at SIGTERM.
"""

import argparse
import contextlib
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

from alpes_runtime import parse_config
from alpes_runtime.host import Host
from alpes_runtime.runner import Runner
from alpes_wire import Endpoint
from bench import variants
from bench.errors import BenchError, UsageError
from bench.system import SERVICES, System, connect
from deployment import function_configs
from deployment.function_configs import FunctionConfig
from local_stack.settings import CHECKOUT, Settings

READY = "ready"
START_SECONDS = 60.0
STOP_SECONDS = 20.0


class PlainContext:
    """What `Host` takes from a function's context, made from the function's own configuration.

    Parameters
    ----------
    config
        The function that is stood in for.
    user_config
        What it is told.
    client
        Connected.
    table
        Its state table, None without a state store.
    """

    consumers: Mapping[str, Any] = {}
    """The runtime's own: none, so that the direct intake has nothing to close."""

    def __init__(self, config: FunctionConfig, user_config: Mapping[str, Any], client: Any, table: Any) -> None:
        self._config = config
        self._user_config = user_config
        self._client = client
        self.instance_config = SimpleNamespace(
            function_details=SimpleNamespace(source=SimpleNamespace(subscriptionName=config.subscription))
        )
        self.state_context = SimpleNamespace(__table__=table)

    def get_logger(self) -> logging.Logger:
        """Standard error's."""
        return logging.getLogger(f"plain.{self._config.name}")

    def get_user_config_map(self) -> Mapping[str, Any]:
        """The function's."""
        return self._user_config

    def get_function_name(self) -> str:
        """The function's."""
        return self._config.name

    def get_function_tenant(self) -> str:
        """The function's."""
        return self._config.tenant

    def get_function_namespace(self) -> str:
        """The function's."""
        return self._config.namespace.rpartition("/")[2]

    def get_instance_id(self) -> int:
        """The only one."""
        return 0

    def get_input_topics(self) -> list[str]:
        """The function's."""
        return self._config.inputs

    def get_output_topic(self) -> str:
        """The function's."""
        return str(self._config.values.get("output", ""))

    def get_pulsar_client(self) -> Any:
        """Ours."""
        return self._client

    def record_metric(self, _metric: str, _value: float) -> None:
        """Nobody asks for it."""


class PlainHost(Host):
    """An instance whose Pulsar is named by us: there is no command line of Pulsar's to tell it.

    Parameters
    ----------
    context
        See `Host`.
    service_url
        Where Pulsar is.
    """

    def __init__(self, context: PlainContext, service_url: str) -> None:
        super().__init__(context)
        self._endpoint = Endpoint(service_url)

    @property
    def endpoint(self) -> Endpoint:
        """Where Pulsar is."""
        return self._endpoint


def state_table(url: str, config: FunctionConfig) -> Any:
    """Open the function's own state table, which the function has made."""
    from bookkeeper import kv  # noqa: PLC0415 - only where there is a state store
    from bookkeeper.types import StorageClientSettings  # noqa: PLC0415

    namespace = config.namespace.replace("/", "_").replace("-", "_")
    client = kv.Client(storage_client_settings=StorageClientSettings(service_uri=url), namespace=namespace)
    return client.table(table_name=config.name)


def serve(config: FunctionConfig, user_config: Mapping[str, Any], service_url: str, state_url: str | None) -> None:
    """Run one service until SIGTERM."""
    module, _, name = config.class_name.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    table = state_table(state_url, config) if state_url else None
    client = connect(service_url)
    host = PlainHost(PlainContext(config, user_config, client, table), service_url)
    function = kind()
    parsed = parse_config(kind.Config, host.user_config)
    runner = Runner(host, parsed, partial(function.build, parsed))
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    runner.start()
    print(READY, flush=True)
    ending.wait()
    runner.stop()
    client.close()


@contextmanager
def running(system: System) -> Iterator[dict[str, int]]:
    """Run the three services so instead of as functions; gives their processes, and brings the functions back.

    Raises
    ------
    UsageError, BenchError
        There is no local stack, or one does not start.
    """
    settings = system.local
    if settings is None:
        raise UsageError("The plain program needs the local stack's state store: leave it out with --only a,c1,c2,d.")
    wanted = {service: variants.user_config(system, service) for service in SERVICES}
    with variants.stopped(system), contextlib.ExitStack() as stack:
        yield {
            f"{service} 0": stack.enter_context(_started(system, settings, service, user_config))
            for service, user_config in wanted.items()
        }


@contextmanager
def _started(system: System, settings: Settings, service: str, user_config: Mapping[str, Any]) -> Iterator[int]:
    command = [sys.executable, "-m", "bench.plain", service, "--user-config", json.dumps(user_config)]
    command += ["--state", f"bk://127.0.0.1:{settings.ports.state}"]
    with subprocess.Popen(
        command, env=system.variables(), cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        # Both are read to their end by somebody: a full pipe would stop it.
        last: list[str] = []
        threading.Thread(target=_keep_last, args=(process.stderr, last), daemon=True).start()
        try:
            _wait_ready(process, service, last)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_ready(process: "subprocess.Popen[str]", service: str, last: list[str]) -> None:
    killer = threading.Timer(START_SECONDS, process.kill)
    killer.start()
    try:
        line = process.stdout.readline() if process.stdout else ""
    finally:
        killer.cancel()
    if line.strip() != READY:
        words = last[-1] if last else "it said nothing"
        raise BenchError(f"The plain program of {service} did not start in {START_SECONDS:.0f} s: {words}")


def _keep_last(lines: Any, last: list[str]) -> None:
    for line in lines:
        if line.strip():
            last[:] = [*last[-9:], line.strip()]


def main() -> None:
    """Run one service."""
    parser = argparse.ArgumentParser(prog="python -m bench.plain", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("service", choices=SERVICES)
    parser.add_argument("--user-config", type=json.loads, default=None, help="JSON; that of function-configs without")
    parser.add_argument("--state", metavar="URL", help="where the state store is; without, there is none")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    config = function_configs.load()[options.service]
    user_config = config.user_config if options.user_config is None else options.user_config
    serve(config, user_config, os.environ.get("PULSAR_SERVICE_URL", "pulsar://127.0.0.1:6650"), options.state)


if __name__ == "__main__":
    main()
