"""What the parts of one instance share, and what its function builds its service with."""

import re
import threading
import time
from collections.abc import Callable

from ._message import local_name
from ._state import StateStore
from ._watchdog import heartbeat
from .config import FunctionConfig
from .database import Database
from .errors import Misconfigured
from .host import Host
from .platform import Platform

RATE_WINDOW_S = 1.0
"""The traffic's rate is taken over so long; it says whether the views have to hold back."""
STUCK = "stuck"
"""User metric ``stuck.database`` and ``stuck.broker``: its sum is 1 while nothing goes on for want of one of them.
``stuck.<topic>``: while something is withheld that this topic does not take for its size."""


class InstanceContext:
    """One instance of a function: its host, its configuration, and what all of its parts share.

    Parameters
    ----------
    host
        What runs the instance.
    config
        The function's configuration.
    platform
        What the instance takes from its machine; the real one without it.

    Attributes
    ----------
    logger
        The instance's log.
    clock
        Tells and passes time.
    stopping
        Set when the instance is to end: whoever waits, waits no longer.
    lock
        Held by whoever computes, released around what waits; see `compute_lock`.
    traffic
        Messages that came through lately.
    """

    def __init__(self, host: Host, config: FunctionConfig, platform: Platform | None = None) -> None:
        self.host = host
        self.config = config
        self.platform = platform or Platform()
        self.logger = host.logger
        self.clock = self.platform.clock
        self.stopping = threading.Event()
        self.lock = self.platform.lock()
        self.traffic = RateMeter(self.clock.monotonic)

    def database(self) -> Database:
        """Return the service's database, for its handlers."""
        return self.platform.database(self.config, self._application, self.lock)

    def view_database(self) -> Database:
        """Return a further connection to the service's database, for one view."""
        return self.platform.database(self.config, f"{self._application} view", None)

    def state(self, switch: str) -> StateStore:
        """Return the state store.

        Parameters
        ----------
        switch
            The userConfig key that does without it.

        Raises
        ------
        Misconfigured
            There is none.
        """
        return self.platform.state(self.host, self.lock, switch)

    def output(self) -> str:
        """Return the output topic of the function's config. Raises `Misconfigured` without one."""
        if not self.host.output:
            raise Misconfigured("the function's config has no output topic")
        return self.host.output

    def retry_topic(self) -> str:
        """Return the input that carries later attempts and timers. Raises `Misconfigured` without one."""
        topic = self.retry_input
        if topic is None:
            raise Misconfigured(f"the function's config has no input named {self._retry_name}")
        return topic

    @property
    def retry_input(self) -> str | None:
        """The input that carries later attempts, None where the function has none."""
        return next((topic for topic in self.host.inputs if local_name(topic) == self._retry_name), None)

    @property
    def client_properties(self) -> dict[str, str]:
        """What Pulsar sets on its own consumers and producers, so that ours are shown alike."""
        return {
            "application": "pulsar-function",
            "id": f"{self.host.namespace}/{self.host.name}",
            "instance_id": self.host.instance_id,
        }

    def record(self, metric: str, value: float) -> None:
        """Record a user metric, a sum and a count."""
        self.host.record(metric, value)

    def record_stuck(self, what: str, *, stuck: bool) -> None:
        """Record whether nothing goes on for want of ``what``; see `STUCK`."""
        self.record(f"{STUCK}.{what}", 1 if stuck else -1)

    def heartbeat(self) -> None:
        """Tell the watchdog that this thread is alive, within work that may rightly take minutes."""
        heartbeat()

    @property
    def peers(self) -> str:
        """What PostgreSQL calls the handlers' connections of all the function's instances: a regular expression.

        For a query that looks at `application_name` in `pg_stat_activity`.
        """
        return f"^alpes {re.escape(self.host.name)} [0-9]+$"

    @property
    def _application(self) -> str:
        """One that `peers` matches; that of a view's connection it doesn't."""
        return f"alpes {self.host.name} {self.host.instance_id}"

    @property
    def _retry_name(self) -> str:
        return self.host.name + self.config.retry_suffix


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
