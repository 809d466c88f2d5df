"""What a function builds once per instance, and what it builds with."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alpes_wire import Consumer

from .backoff import Backoff
from .clock import Clock, SystemClock
from .config import FunctionConfig
from .database import Database
from .deaths import Deaths, file_of
from .errors import Misconfigured
from .host import Host
from .outcome import AnyHandler
from .postgres import Postgres
from .publisher import in_a_thread
from .state import StateStore, open_state
from .turn import Turn
from .views import View

RATE_WINDOW_S = 1.0
"""Over how long the rate is taken that says whether the views have to hold back."""


@dataclass(frozen=True)
class Service:
    """What a function does, built once per instance by its composition root.

    Parameters
    ----------
    handlers
        By the local name of the input topic, most urgent first. An input without one is dead-lettered.
    database
        Where the handlers write.
    schemas
        Pulsar schema by output topic.
    views
        What follows behind in the state store.
    """

    handlers: Mapping[str, AnyHandler]
    database: Database
    schemas: Mapping[str, Any]
    views: Sequence[View] = ()


class Surroundings:
    """What an instance takes from the machine that it runs on, besides Pulsar; the simulation has its own.

    Attributes
    ----------
    clock
        Tells and passes time.
    """

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()

    def backoff(self, initial: float = 0.05, maximum: float = 2.0) -> Backoff:
        """Return a new `Backoff`, in seconds."""
        return Backoff(initial, maximum)

    def turn(self) -> Turn:
        """Return what the instance's stages take turns by."""
        return Turn()

    def database(self, config: FunctionConfig, application: str, turn: Turn | None) -> Database:
        """Return a further connection to the service's database; see `Postgres`."""
        return Postgres(config.dsn(), application, turn)

    def state(self, host: Host, turn: Turn, switch: str) -> StateStore:
        """Return the state store; see `open_state`."""
        return open_state(host.state_table, turn, switch)

    def deaths(self, host: Host) -> Deaths:
        """Return what the instance remembers over its death; see `Deaths`."""
        endpoint = host.endpoint
        if endpoint is None:
            return Deaths(None)
        return Deaths(file_of(endpoint.service_url, f"{host.namespace}/{host.name}", host.instance_id))

    def opener(self, host: Host, deaths: Deaths) -> Callable[[str], Any] | None:
        """Return what opens a consumer of a partition on the function's subscription; None where that can't be told."""
        endpoint, subscription = host.endpoint, host.subscription
        if endpoint is None or subscription is None:
            return None

        def opened(topic: str) -> Consumer:
            consumer = Consumer(
                endpoint,
                topic,
                subscription,
                properties=host.client_properties,
                logger=host.logger,
                guard=deaths,
            )
            consumer.open()
            return consumer

        return opened

    def aside(self, name: str, work: Callable[[], None]) -> None:
        """Let something be done on the side that may take long and that nobody waits for."""
        in_a_thread(name, work)


class Setup:
    """What a composition root builds with.

    Attributes
    ----------
    alive
        Leaves a sign of life, for a handler that may rightly work for minutes; see `watchdog`.
    """

    def __init__(self, host: Host, config: FunctionConfig, surroundings: Surroundings | None = None) -> None:
        self.host = host
        self.logger = host.logger
        self.surroundings = surroundings or Surroundings()
        self.clock = self.surroundings.clock
        self.stopping = threading.Event()
        self.turn = self.surroundings.turn()
        self._config = config
        self.alive: Callable[[], None] = lambda: None
        self.rate = RateMeter(self.clock.monotonic)

    def database(self) -> Database:
        """Return the service's database, for its handlers."""
        return self.surroundings.database(self._config, self._application, self.turn)

    def view_database(self) -> Database:
        """Return a further connection to the service's database, for one view."""
        return self.surroundings.database(self._config, f"{self._application} view", None)

    def output(self) -> str:
        """Return the output topic of the function's config. Raises `Misconfigured` without one."""
        if not self.host.output:
            raise Misconfigured("the function's config has no output topic")
        return self.host.output

    def retry_topic(self) -> str:
        """Return the input that carries later attempts and timers. Raises `Misconfigured` without one."""
        if self.host.retry_topic is None:
            raise Misconfigured(f"the function's config has no input named {self.host.name}-reintento")
        return self.host.retry_topic

    def record(self, metric: str, value: float) -> None:
        """Record a user metric; see `Host.record`."""
        self.host.record(metric, value)

    def state(self, switch: str) -> StateStore:
        """Return the state store; ``switch`` is the key that does without. Raises `Misconfigured` without one."""
        return self.surroundings.state(self.host, self.turn, switch)

    @property
    def _application(self) -> str:
        return f"alpes {self.host.name} {self.host.instance_id}"


class RateMeter:
    """Messages over the last second or so."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._started = monotonic()
        self._count = 0
        self._last = 0.0

    def add(self, messages: int) -> None:
        """Count messages."""
        with self._lock:
            self._roll()
            self._count += messages

    def per_second(self) -> float:
        """Return the rate of the last whole window, or of the present one when that is higher already."""
        with self._lock:
            self._roll()
            return max(self._last, float(self._count))

    def _roll(self) -> None:
        elapsed = self._monotonic() - self._started
        if elapsed >= RATE_WINDOW_S:
            self._last = self._count / elapsed
            self._count = 0
            self._started += elapsed
