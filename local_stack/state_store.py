"""The functions' state store, which runs within Pulsar standalone: whether it answers, and what a killed one left."""

import subprocess
from collections.abc import Mapping

from local_stack.settings import Settings

REQUEST_SECONDS = 5.0
SHELL_SECONDS = 30.0
WAITS_FOR_DEAD = "Previous bookie registration znode: "


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
    environ
        For Pulsar's CLI.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._environ = dict(environ)
        self._log = settings.logs / "pulsar.log"
        self._read = self._log.stat().st_size if self._log.exists() else 0
        self._removed = False

    def remove_if_waited_for(self) -> None:
        """Look into the log for a state store that waits, and end its wait."""
        if self._removed or not self._is_waited_for():
            return
        self._removed = True
        ports = self._settings.ports
        shell = (self._settings.distribution / "bin" / "pulsar", "zookeeper-shell")
        server = ("-server", f"127.0.0.1:{ports.zookeeper}")
        command = (*shell, *server, "delete", f"/stream/servers/available/127.0.0.1:{ports.state}")
        # Where it fails the wait goes on, as it would have without.
        subprocess.run(command, env=self._environ, capture_output=True, timeout=SHELL_SECONDS, check=False)

    def _is_waited_for(self) -> bool:
        try:
            with self._log.open("rb") as log:
                if self._log.stat().st_size < self._read:
                    self._read = 0
                log.seek(self._read)
                new = log.read()
        except OSError:
            return False
        # What is still being written is read again.
        self._read += new.rfind(b"\n") + 1
        return f"{WAITS_FOR_DEAD}/stream/servers/".encode() in new
