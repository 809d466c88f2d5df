"""Settings of the HTTP API."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8081


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the API runs.

    Attributes
    ----------
    service_url, admin_url : str
        Pulsar's two addresses.
    host, port : str, int
        Where it listens; 0 takes any free port.
    token_file : Path or None
        The bearer tokens, one a line. None asks for none, which loopback addresses alone allow.
    requests_per_second : int
        How many requests a second one client may send, and how many at once after a pause.
    most_body_bytes : int
        Largest body of a request.
    body_s : float
        How long a client may take to send a body, in seconds.
    part_s : float
        How long a client may take to read a part of a streamed answer, in seconds.
    most_requests : int
        Most requests that are in hand at once.
    most_waiting : int
        Most orders that wait to be published.
    remembered : int
        Of how many orders the latest news is kept in memory.
    """

    service_url: str
    admin_url: str
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    token_file: Path | None = None
    requests_per_second: int = 10_000
    most_body_bytes: int = 64 * 1024
    body_s: float = 10.0
    part_s: float = 30.0
    most_requests: int = 4_000
    most_waiting: int = 2_000
    remembered: int = 100_000

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
