"""What a function is tested with: messages, time, and an instance's context, all without Pulsar and PostgreSQL."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ._clock import Clock
from ._compute_lock import ComputeLock
from ._context import InstanceContext
from ._deaths import Deaths
from ._state import StateStore
from .config import FunctionConfig
from .database import Database
from .host import Host
from .platform import Platform


class FakeMessage(NamedTuple):
    """A message as ``pulsar.Message`` shows it."""

    payload: bytes = b""
    key: str = ""
    own_properties: Mapping[str, str] | None = None
    id: Any = "(1,0,0,-1)"
    topic: str = "persistent://alpes/tienda/topic-partition-0"
    published_ms: int = 1_767_225_600_000

    def data(self) -> bytes:
        """The payload."""
        return self.payload

    def partition_key(self) -> str:
        """The message key."""
        return self.key

    def properties(self) -> dict[str, str]:
        """The message's properties."""
        return dict(self.own_properties or {})

    def message_id(self) -> Any:
        """The client's message id."""
        return self.id

    def topic_name(self) -> str:
        """The topic, with its partition."""
        return self.topic

    def publish_timestamp(self) -> int:
        """Unix milliseconds."""
        return self.published_ms


class FakeClock:
    """Time that passes only where somebody waits, or when a test says so.

    Parameters
    ----------
    on_wait
        Called at each wait with its seconds; a test ends an outage here.
    """

    def __init__(self, on_wait: Callable[[float], None] = lambda _seconds: None) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.on_wait = on_wait

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self.now

    def now_ms(self) -> int:
        """Return the time of day in Unix milliseconds."""
        return 1_767_225_600_000 + int(self.now * 1000)

    def wait(self, stopping: threading.Event, seconds: float) -> bool:
        """Let the seconds pass at once."""
        self.waits.append(seconds)
        self.now += seconds
        self.on_wait(seconds)
        return stopping.is_set()


class FakeHost:
    """A host without Pulsar.

    Attributes
    ----------
    recorded
        Each user metric that was recorded, with its value.
    counted
        Messages received and processed, as ``functions stats`` would count them.
    """

    def __init__(
        self,
        name: str = "function",
        *,
        inputs: Sequence[str] = (),
        output: str = "",
        client: Any = None,
        logger: logging.Logger | None = None,
        user_config: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.namespace = "tenant/namespace"
        self.instance_id = "0"
        self.inputs = inputs
        self.output = output
        self.client = client
        self.logger = logger or logging.getLogger(name)
        self.user_config: Mapping[str, Any] = user_config or {}
        self.endpoint = self.subscription = self.runtime_consumers = self.state_table = None
        self.recorded: list[tuple[str, float]] = []
        self.counted = (0, 0)

    def count(self, received: int, processed: int) -> None:
        """Count."""
        self.counted = (self.counted[0] + received, self.counted[1] + processed)

    def record(self, metric: str, value: float) -> None:
        """Keep a metric and its value."""
        self.recorded.append((metric, value))


class FakePlatform(Platform):
    """A machine with this database and state store alone, where work in the background is done at once."""

    def __init__(
        self, clock: Clock | None = None, database: Database | None = None, state: StateStore | None = None
    ) -> None:
        super().__init__(clock or FakeClock())
        self._database = database
        self._state = state

    def database(self, config: FunctionConfig, application: str, lock: ComputeLock | None) -> Database:
        """Return the database; see `Platform.database`."""
        return self._database or super().database(config, application, lock)

    def state(self, host: Host, lock: ComputeLock, switch: str) -> StateStore:
        """Return the state store; see `Platform.state`."""
        return self._state or super().state(host, lock, switch)

    def deaths(self, host: Host) -> Deaths:  # noqa: ARG002 -- whichever it is
        """Remember nothing."""
        return Deaths(None)

    def in_background(self, name: str, work: Callable[[], None]) -> None:  # noqa: ARG002 -- there is no thread
        """Do it at once."""
        work()


def instance_context(
    config: FunctionConfig | None = None,
    *,
    host: Host | None = None,
    clock: Clock | None = None,
    database: Database | None = None,
    state: StateStore | None = None,
) -> InstanceContext:
    """Return the context of an instance that runs nowhere, for `BatchFunction.build` and for its parts.

    Parameters
    ----------
    config
        The function's configuration; the default one without it.
    host
        What runs it, a `FakeHost` without it.
    clock
        A `FakeClock` without it.
    database, state
        What the function writes to.
    """
    return InstanceContext(
        host or FakeHost(), config or FunctionConfig(dsn_env="NONE"), FakePlatform(clock, database, state)
    )
