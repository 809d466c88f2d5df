"""What the parts of one instance share, and what its function uses to build its service."""

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
"""The message rate is measured over this window; the views slow down when it is high."""
STUCK = "stuck"
"""Prefix of user metrics. The sum of ``stuck.database`` and ``stuck.broker`` is 1 while the instance waits for that
dependency; the sum of ``stuck.<topic>`` is 1 while events are withheld because they are too large for that topic."""


class InstanceContext:
    """One instance of a function: its host, its configuration, and what all of its parts share.

    Parameters
    ----------
    host
        What runs the instance.
    config
        The function's configuration.
    platform
        Clock, connections and threads; the machine's own by default.

    Attributes
    ----------
    logger
        The instance's log.
    clock
        Tells the time, and waits.
    stopping
        Set when the instance is to end; it ends every wait.
    lock
        The thread that computes holds it, and releases it around calls that wait; see `ComputeLock`.
    traffic
        The rate of the messages that were processed lately.
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
        """Return a new connection to the service's database, for one view."""
        return self.platform.database(self.config, f"{self._application} view", None)

    def state(self, switch: str) -> StateStore:
        """Return the state store.

        Parameters
        ----------
        switch
            The userConfig key that turns off what needs the store; named in the error.

        Raises
        ------
        Misconfigured
            Pulsar has no state store.
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
        """The input that carries later attempts, None if the function has none."""
        return next((topic for topic in self.host.inputs if local_name(topic) == self._retry_name), None)

    @property
    def client_properties(self) -> dict[str, str]:
        """The properties that Pulsar sets on its own consumers and producers, so that ours look the same in stats."""
        return {
            "application": "pulsar-function",
            "id": f"{self.host.namespace}/{self.host.name}",
            "instance_id": self.host.instance_id,
        }

    def record(self, metric: str, value: float) -> None:
        """Add a value to a user metric, which keeps their sum and count."""
        self.host.record(metric, value)

    def record_stuck(self, what: str, *, stuck: bool) -> None:
        """Record whether the instance is stuck for lack of ``what``; see `STUCK`."""
        self.record(f"{STUCK}.{what}", 1 if stuck else -1)

    def heartbeat(self) -> None:
        """Tell the watchdog that this thread is alive, during work that may take minutes."""
        heartbeat()

    @property
    def peers(self) -> str:
        """A regular expression for the `application_name` of the handlers' connections, in every instance.

        A query of `pg_stat_activity` can use it. It doesn't match the connections of views.
        """
        return f"^alpes {re.escape(self.host.name)} [0-9]+$"

    @property
    def _application(self) -> str:
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
