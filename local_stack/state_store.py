"""The functions' state store, which runs within Pulsar standalone: whether it answers, and what a killed one left."""

import contextlib
import subprocess
import threading
import time
from collections.abc import Sequence

from local_stack.settings import Settings

REQUEST_SECONDS = 5.0
ZOOKEEPER_RUNS = b"Created server with tickTime"
WAITS_FOR_DEAD = b"Previous bookie registration znode: /stream/servers/"
SAFE_S = 9.0
"""After ZooKeeper's start. Then the dead one's session (10 s) is about to end by itself, and its successor registers
under the same name: nothing may be removed any more."""


def answers(settings: Settings) -> bool:
    """Whether it knows of its namespaces; an answer that there is none is one."""
    import grpc  # noqa: PLC0415
    from bookkeeper.common.constants import __ROOT_RANGE_METADATA__  # noqa: PLC0415
    from bookkeeper.proto import storage_pb2, storage_pb2_grpc  # noqa: PLC0415

    with grpc.insecure_channel(f"127.0.0.1:{settings.ports.state}") as channel:
        try:
            storage_pb2_grpc.RootRangeServiceStub(channel).GetNamespace(
                storage_pb2.GetNamespaceRequest(name="public_default"),
                metadata=__ROOT_RANGE_METADATA__,
                timeout=REQUEST_SECONDS,
            )
        except grpc.RpcError:
            return False
    return True


class DeadRegistration:
    """Removes from ZooKeeper the registration of a state store that was killed, once its successor waits for that.

    A successor waits for as long as ZooKeeper's session lasts, which ZooKeeper rounds up: on a machine that is fast
    the wait ends first, and Pulsar with it. Whoever has started the successor knows that the other one is dead.

    Parameters
    ----------
    settings
        The stack that is about to be started: make this before it.
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
        """Look into the log for a state store that waits, and begin to end its wait."""
        new = self._new_lines()
        if self._until is None and ZOOKEEPER_RUNS in new:
            self._until = time.monotonic() + SAFE_S
        if self._begun or self._until is None or WAITS_FOR_DEAD not in new:
            return
        self._begun = True
        ports = self._settings.ports
        server = ("-server", f"127.0.0.1:{ports.zookeeper}")
        command = (*self._shell, *server, "delete", f"/stream/servers/available/127.0.0.1:{ports.state}")
        # Where it fails or takes too long the wait goes on, as it would have without.
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
        # What is still being written is read again.
        whole = new.rfind(b"\n") + 1
        self._read += whole
        return new[:whole]
