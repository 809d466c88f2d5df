"""What an instance needs from its machine: clock, connections, threads. A simulation replaces it."""

import threading
from collections.abc import Callable
from typing import Any

from alpes_wire import Consumer

from ._backoff import Backoff
from ._compute_lock import ComputeLock
from ._deaths import Deaths, file_of
from ._state import StateStore, open_state
from .clock import Clock, SystemClock
from .config import FunctionConfig
from .database import Database
from .host import Host
from .postgres import Postgres


class Platform:
    """Creates the real version of each part that a test or a simulation replaces.

    Parameters
    ----------
    clock
        Tells the time, and waits; the machine's own by default.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()

    def backoff(self, initial: float, maximum: float) -> Backoff:
        """Return a new `Backoff`, in seconds."""
        return Backoff(initial, maximum)

    def lock(self) -> ComputeLock:
        """Return the lock that the instance's stages share."""
        return ComputeLock()

    def database(self, config: FunctionConfig, application: str, lock: ComputeLock | None) -> Database:
        """Return a new connection to the service's database; see `Postgres`."""
        return Postgres(config.dsn(), application, lock)

    def state(self, host: Host, lock: ComputeLock, switch: str) -> StateStore:
        """Return the state store; see `open_state`."""
        return open_state(host.state_table, lock, switch)

    def deaths(self, host: Host) -> Deaths:
        """Return the record of the instance's deaths; see `Deaths`."""
        endpoint = host.endpoint
        if endpoint is None:
            return Deaths(None)
        return Deaths(file_of(endpoint.service_url, f"{host.namespace}/{host.name}", host.instance_id))

    def consumer_opener(self, host: Host, properties: dict[str, str], deaths: Deaths) -> Callable[[str], Any] | None:
        """Return a function that opens a consumer of a partition; None if the host doesn't say how to connect."""
        endpoint, subscription = host.endpoint, host.subscription
        if endpoint is None or subscription is None or host.runtime_consumers is None:
            return None

        def opened(topic: str) -> Consumer:
            consumer = Consumer(endpoint, topic, subscription, properties=properties, logger=host.logger, guard=deaths)
            consumer.open()
            return consumer

        return opened

    def in_background(self, name: str, work: Callable[[], None]) -> None:
        """Do work that may take long and that nobody waits for, in a thread with this name."""
        threading.Thread(target=work, name=name, daemon=True).start()
