"""Runs the services in plain programs on the Pulsar client: without functions and their worker.

A plain program runs the same handlers, stores, batching and publishing as the function, on the function's own topics
and subscription, while the function is stopped. The difference is what Pulsar's worker and its Python instance cost:
the worker's share of the broker, the instance's threads, its gRPC server and its metrics.
"""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

from alpes_runtime.bootstrap import bootstrap
from alpes_runtime.config import parse_config
from alpes_runtime.runner import Runner
from bench import variants
from bench.child import Child, Link
from bench.errors import UsageError
from bench.system import SERVICES, System
from connection.client import NEW_TOPIC_TIMEOUT_S, Client
from deployment import function_configs
from deployment.function_configs import PulsarFunctionConfig


class PlainHost:
    """A host for the service's instance, made from the function's own configuration.

    Parameters
    ----------
    config
        The configuration of the function that it replaces.
    user_config
        The userConfig that the function runs with.
    table
        The function's state table; None without a state store.
    """

    def __init__(
        self,
        config: PulsarFunctionConfig,
        user_config: Mapping[str, Any],
        client: Client,
        find_table: Callable[[], Any] | None,
    ) -> None:
        self.logger = logging.getLogger(f"plain.{config.name}")
        self.user_config = user_config
        self.name = config.name
        self.namespace = config.namespace
        self.instance_id = "0"
        self.inputs: Sequence[str] = config.inputs
        self.output = str(config.values.get("output", ""))
        self.subscription = config.subscription
        self.client = client
        self.endpoint = client.endpoint
        self.runtime_consumers: Mapping[str, Any] = {}
        self.state_table = find_table

    def count(self, received: int, processed: int) -> None:
        """Do nothing: no worker reads the counters."""

    def record(self, metric: str, value: float) -> None:
        """Do nothing: no worker reads the metrics."""


def state_table(url: str, config: PulsarFunctionConfig) -> Any:
    """Open the state table that the function has made."""
    from bookkeeper import kv  # noqa: PLC0415 - only where there is a state store
    from bookkeeper.types import StorageClientSettings  # noqa: PLC0415

    namespace = config.namespace.replace("/", "_").replace("-", "_")
    client = kv.Client(storage_client_settings=StorageClientSettings(service_uri=url), namespace=namespace)
    return client.table(table_name=config.name)


def serve(
    link: Link, service: str, user_config: Mapping[str, Any], variables: Mapping[str, str], state_url: str | None
) -> None:
    """Run one service in a child process until the parent closes its end, then drain it; see `Child`.

    Parameters
    ----------
    service
        The name of the function that it replaces.
    user_config
        The userConfig that the function runs with.
    variables
        The environment variables that the function has.
    state_url
        The state store's address; None without one.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format=f"{service}: %(levelname)s %(message)s")
    os.environ.update(variables)
    config = function_configs.load()[service]
    module, _, name = config.class_name.rpartition(".")
    kind = getattr(importlib.import_module(module), name)
    find_table = partial(state_table, state_url, config) if state_url else None
    client = Client(variables["PULSAR_SERVICE_URL"], operation_timeout_s=NEW_TOPIC_TIMEOUT_S)
    host = PlainHost(config, user_config, client, find_table)
    function = kind()
    parsed = parse_config(kind.Config, host.user_config)
    runner = Runner(bootstrap(host, parsed, partial(function.build, parsed)))
    runner.start()
    link.ready()
    with suppress(EOFError, OSError, KeyboardInterrupt):
        link.wait()
    runner.stop()
    client.close()


@contextmanager
def running(system: System) -> Iterator[dict[str, int]]:
    """Run plain programs in place of the functions, and start the functions again at the end.

    Yields
    ------
    dict
        The programs' process ids, by names such as ``ordenes 0``.

    Raises
    ------
    UsageError, BenchError
        The system is not a local stack, or a program does not start.
    """
    if system.local is None:
        raise UsageError("The plain program needs the local stack's state store: leave it out with --only a,c1,c2,d,t.")
    state_url = f"bk://127.0.0.1:{system.local.ports.state}"
    wanted = {service: variants.user_config(system, service) for service in SERVICES}
    with variants.stopped(system), ExitStack() as stack:
        started = {
            service: stack.enter_context(Child(serve, service, user_config, system.variables(), state_url))
            for service, user_config in wanted.items()
        }
        for child in started.values():
            child.ready()
        yield {f"{service} 0": child.pid for service, child in started.items()}
