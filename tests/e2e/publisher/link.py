"""A TCP link to the broker that a test can stall, cut, close to newcomers or tamper with.

The broker of a standalone Pulsar refers its clients to the address that they used, so all traffic of a client of
`Link.url` passes through the link.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

CHUNK_BYTES = 1 << 16
CONNECT_TIMEOUT_S = 5.0


class Link:
    """Forwards connections to the broker at ``service_url``.

    Attributes
    ----------
    tamper
        Applied to what clients send, chunk by chunk; None leaves it as it is.
    closed_to_newcomers
        Whether new connections are dropped at once.
    """

    def __init__(self, service_url: str) -> None:
        broker = urlsplit(service_url)
        self._broker = (broker.hostname or "127.0.0.1", broker.port or 6650)
        self._flows = threading.Event()
        self._flows.set()
        self._lock = threading.Lock()
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"pulsar://127.0.0.1:{self.port}"
        self.tamper: Callable[[bytes], bytes] | None = None
        self.closed_to_newcomers = False
        threading.Thread(target=self._accept, name="link", daemon=True).start()

    def stall(self) -> None:
        """Forward nothing more, in either direction, until `resume`; connections stay open."""
        self._flows.clear()

    def resume(self) -> None:
        """Forward again, what was held back included."""
        self._flows.set()

    def cut(self) -> None:
        """End every connection; what is held back is lost."""
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            _end(end)

    def break_down(self) -> None:
        """Cut, and let nobody connect until `repair`."""
        self.closed_to_newcomers = True
        self.cut()

    def repair(self) -> None:
        """Let clients connect, and everything flow as it comes."""
        self.tamper = None
        self.closed_to_newcomers = False
        self.resume()

    def close(self) -> None:
        """End the link."""
        self._listener.close()
        self.cut()
        self.resume()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.closed_to_newcomers:
                    raise ConnectionRefusedError
                broker = socket.create_connection(self._broker, CONNECT_TIMEOUT_S)
                broker.settimeout(None)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._ends += [client, broker]
            for source, target, upward in ((client, broker, True), (broker, client, False)):
                threading.Thread(target=self._forward, args=(source, target, upward), name="link", daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, upward: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                self._flows.wait()
                tamper = self.tamper
                target.sendall(tamper(data) if upward and tamper else data)
        _end(source)
        _end(target)


def _end(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
