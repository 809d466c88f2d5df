"""Starts Pulsar's Python instance so that no function needs the state store to start: a function worker may run this.

Pulsar's own file connects to the state store before it does anything else, at a single address, and ends where nothing
answers: then no function of the cluster starts, whether it uses state or not. With this file an instance connects when
its function first uses its state, takes ``stateStorageServiceUrl`` with several addresses, and goes on to the next one
when a bookie is away. If the start fails, the worker finds the reason, and shows it as the instance's error.

To use it, copy it to each worker and name it in ``functions_worker.yml``, as ``pythonInstanceLocation`` among the
``functionRuntimeFactoryConfigs``. It needs nothing but what the instance itself needs (docs/operations.md).
"""

import contextlib
import os
import random
import runpy
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PULSARS_OWN = "python_instance_main.py"
RACES = 5
"""How often a connection is tried anew after others have made the namespace or the table that it was about to make."""


class StateWhenNeeded:
    """A function's state, which is connected to when it is first used.

    A use raises what the connection raises, and the next one tries again.

    Parameters
    ----------
    connect
        Connects, and returns Pulsar's own state context.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._connected: Any = None

    @property
    def __table__(self) -> Any:
        """The function's table."""
        return self._state().__table__

    def __getattr__(self, name: str) -> Any:
        return getattr(self._state(), name)

    def _state(self) -> Any:
        with self._lock:
            if self._connected is None:
                self._connected = self._connect()
            return self._connected


def any_of(hosts: Sequence[str]) -> str:
    """Return a gRPC target that leads to whichever of several servers answers, in an order that is drawn.

    Parameters
    ----------
    hosts
        Each as ``name:port``. A name that nobody knows is left out.

    Raises
    ------
    OSError
        No name is known.
    """
    found: dict[socket.AddressFamily, list[str]] = {socket.AF_INET: [], socket.AF_INET6: []}
    unknown: OSError | None = None
    for host in random.sample(hosts, len(hosts)):
        name, _, port = host.rpartition(":")
        try:
            addresses = socket.getaddrinfo(name.strip("[]"), int(port), type=socket.SOCK_STREAM)
        except OSError as error:
            unknown = error
            continue
        for family, *_, address in addresses:
            if family in found:
                found[family].append(f"{address[0]}:{port}" if family == socket.AF_INET else f"[{address[0]}]:{port}")
    for scheme, family in (("ipv4", socket.AF_INET), ("ipv6", socket.AF_INET6)):
        if found[family]:
            return f"{scheme}:{','.join(found[family])}"
    raise unknown or OSError(f"none of {', '.join(hosts)} has an address")


def prepare() -> None:
    """Have Pulsar's modules connect to the state store later, and to any of its addresses."""
    import state_context  # type: ignore[import-not-found] # noqa: PLC0415 -- Pulsar's, found once main has named its folder
    from bookkeeper.common.exceptions import NamespaceExistsError, StreamExistsError  # noqa: PLC0415
    from bookkeeper.common.service_uri import ServiceURI  # noqa: PLC0415

    connect, parse = state_context.create_state_context, ServiceURI.__init__

    def create_state_context(url: str | None, namespace: str, name: str) -> Any:
        if url is None:
            return connect(url, namespace, name)
        return StateWhenNeeded(lambda: connect_anyhow(url, namespace, name))

    def connect_anyhow(url: str, namespace: str, name: str) -> Any:
        for _ in range(RACES):
            with contextlib.suppress(NamespaceExistsError, StreamExistsError):
                return connect(url, namespace, name)
        return connect(url, namespace, name)

    def parse_all(self: Any, uri: str) -> None:
        parse(self, uri)
        if len(self.service_hosts) > 1:
            self.service_location = any_of(self.service_hosts)

    state_context.create_state_context = create_state_context
    ServiceURI.__init__ = parse_all


def main() -> None:
    """Run Pulsar's own file, prepared; its folder takes the place of this file's among the modules."""
    folder = Path(os.environ["PULSAR_HOME"]) / "instances" / "python-instance"
    sys.path[0] = str(folder)
    try:
        prepare()
        runpy.run_path(str(folder / PULSARS_OWN), run_name="__main__")
    except Exception as error:
        # The instance has put its log in the place of sys.stderr. The worker reads the true one.
        with contextlib.suppress(OSError, AttributeError):
            print(f"{type(error).__name__}: {error}", file=sys.__stderr__, flush=True)
        raise


if __name__ == "__main__":
    main()
