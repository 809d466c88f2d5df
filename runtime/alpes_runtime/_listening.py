"""Keeps what Pulsar's instance listens on to one address: its answers to the worker, and its metrics.

By itself an instance listens at every address, and asks nobody who he is. The source is Pulsar 4.0.8,
``instances/python-instance/{server,prometheus_client_fix}.py``.
"""

import os
import sys
from collections.abc import Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

ADDRESS = "ALPES_INSTANCE_ADDRESS"
"""The worker's variable that names the address. Pulsar's process runtime asks its instances at 127.0.0.1."""
EVERYWHERE = "[::]:"


def listen_at_one_address(
    environment: Mapping[str, str] = os.environ, modules: Mapping[str, Any] = sys.modules
) -> None:
    """Make the instance listen at the address that the worker's environment names; without one, change nothing.

    It must be called before the instance begins to listen. A second call changes nothing more.

    Parameters
    ----------
    environment
        The worker's environment.
    modules
        Where Pulsar's modules are, by default among the imported ones.
    """
    address = environment.get(ADDRESS, "")
    if not address:
        return
    metrics: Any = modules.get("prometheus_client_fix")
    server: Any = modules.get("server")
    if metrics is not None and not isinstance(metrics.start_http_server, partial):
        metrics.start_http_server = partial(metrics.start_http_server, addr=address)
    if server is not None and not isinstance(server.grpc, SimpleNamespace):
        server.grpc = SimpleNamespace(server=partial(_server, server.grpc.server, address))


def _server(make: Any, address: str, *arguments: Any) -> Any:
    """Return a gRPC server that takes the address for every address."""
    made = make(*arguments)
    listen = made.add_insecure_port
    made.add_insecure_port = lambda wanted: listen(wanted.replace(EVERYWHERE, f"{address}:"))
    return made
