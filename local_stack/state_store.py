"""Checks the functions' state store in Pulsar standalone, and removes the registration of a killed one."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence

from local_stack.settings import Settings

REQUEST_S = 5.0
ZOOKEEPER_RUNS = b"Created server with tickTime"
WAITS_FOR_DEAD = b"Previous bookie registration znode: /stream/servers/"
SAFE_S = 9.0
"""Time after ZooKeeper's start in which the registration may be removed. Later, the killed store's session (10 s) ends
by itself and its successor registers under the same name."""


def answers(settings: Settings) -> bool:
    """Return whether the state store answers a request for a namespace, even if the namespace is missing."""
    import grpc  # noqa: PLC0415
    from bookkeeper.common.constants import __ROOT_RANGE_METADATA__  # noqa: PLC0415
    from bookkeeper.proto import storage_pb2, storage_pb2_grpc  # noqa: PLC0415

    with grpc.insecure_channel(f"127.0.0.1:{settings.ports.state}") as channel:
        try:
            storage_pb2_grpc.RootRangeServiceStub(channel).GetNamespace(
                storage_pb2.GetNamespaceRequest(name="public_default"),
                metadata=__ROOT_RANGE_METADATA__,
                timeout=REQUEST_S,
            )
        except grpc.RpcError:
            return False
    return True


class DeadRegistration:
    """Removes a killed state store's registration from ZooKeeper, once its successor waits for that.

    The successor waits as long as the session should last, but ZooKeeper rounds that up. On a fast machine the wait
    ends before the session does, and Pulsar stops. Here it is known that the other store is dead.

    Parameters
    ----------
    settings
        The stack that is about to start. Create this object before the start.
    shell
        The command line of ZooKeeper's shell.
    """

    def __init__(self, settings: Settings, shell: Sequence[str]) -> None:
        self._settings = settings
        self._shell = shell
        self._log = settings.logs / "pulsar.log"
        self._read = self._log.stat().st_size if self._log.exists() else 0
        self._until: float | None = None
        self._begun = False

    def remove_if_waited_for(self) -> None:
        """Remove the registration, in the background, if the log says that the state store waits for it."""
        new = self._new_lines()
        if self._until is None and ZOOKEEPER_RUNS in new:
            self._until = time.monotonic() + SAFE_S
        if self._begun or self._until is None or WAITS_FOR_DEAD not in new:
            return
        self._begun = True
        ports = self._settings.ports
        server = ("-server", f"127.0.0.1:{ports.zookeeper}")
        command = (*self._shell, *server, "delete", f"/stream/servers/available/127.0.0.1:{ports.state}")
        # If this fails or takes too long, the wait goes on.
        with contextlib.suppress(OSError):
            nowhere = subprocess.DEVNULL
            started = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)
            stop = threading.Timer(max(0.0, self._until - time.monotonic()), started.kill)
            stop.daemon = True
            stop.start()

    def _new_lines(self) -> bytes:
        try:
            with self._log.open("rb") as log:
                if self._log.stat().st_size < self._read:
                    self._read = 0
                log.seek(self._read)
                new = log.read()
        except OSError:
            return b""
        # An incomplete last line is read again.
        whole = new.rfind(b"\n") + 1
        self._read += whole
        return new[:whole]
