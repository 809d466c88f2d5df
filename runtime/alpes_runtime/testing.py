"""Fakes to test a function without Pulsar and PostgreSQL.

`process` runs a function over some messages as an instance does, and returns the events that it would publish;
README.md has a whole example. Each class replaces one part. A function's zip leaves this module out.
"""

import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from ._committer import Committer
from ._compute_lock import ComputeLock
from ._context import InstanceContext
from ._deaths import Deaths
from ._external_calls import ANSWERED, with_answers
from ._function import BatchFunction
from ._message import Event, Received, local_name
from ._state import StateStore
from .clock import Clock
from .config import FunctionConfig
from .database import Database, Row
from .errors import Unavailable, Unreachable
from .host import Host
from .platform import Platform

Answer = Callable[[Mapping[str, Any]], Sequence[Row]]
"""Takes a query's parameters and returns its rows."""


class FakeMessage(NamedTuple):
    """A message as ``pulsar.Message`` shows it."""

    payload: bytes = b""
    key: str = ""
    own_properties: Mapping[str, str] | None = None
    id: Any = "(1,0,0,-1)"
    topic: str = "persistent://tenant/namespace/topic-partition-0"
    published_ms: int = 1_767_225_600_000

    def data(self) -> bytes:
        """Return the payload."""
        return self.payload

    def partition_key(self) -> str:
        """Return the message key."""
        return self.key

    def properties(self) -> dict[str, str]:
        """Return the message's properties."""
        return dict(self.own_properties or {})

    def message_id(self) -> Any:
        """Return the client's message id."""
        return self.id

    def topic_name(self) -> str:
        """Return the topic, with its partition."""
        return self.topic

    def publish_timestamp(self) -> int:
        """Return Unix milliseconds."""
        return self.published_ms


class FakeDatabase:
    """A database that answers each query with a function, and rolls nothing back.

    Parameters
    ----------
    answers
        By the text of a query, the function that answers it.

    Attributes
    ----------
    commits
        The number of transactions that ended without an exception.

    Examples
    --------
    >>> names = {}
    >>> database = FakeDatabase({"keep": lambda params: names.update(params) or []})
    >>> with database.transaction() as transaction:
    ...     transaction.execute("keep", {"a": 1})
    []
    >>> names, database.commits
    ({'a': 1}, 1)
    """

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self.commits = 0
        self._answers = answers

    @contextmanager
    def transaction(self) -> Iterator["FakeDatabase"]:
        """Open a transaction; see `Database.transaction`."""
        yield self
        self.commits += 1

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement; see `Transaction.execute`."""
        return list(self._answers[query](params or {}))

    def stream(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query and yield its rows; see `Transaction.stream`."""
        yield from self.execute(query, params)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo nothing; see `Transaction.savepoint`."""
        yield

    def close(self) -> None:
        """Do nothing: there is no connection."""


class FakeStateStore:
    """Keeps the present values and every put, and fails on demand or by a hook that raises, such as `before_each`."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.puts: list[Mapping[str, str]] = []
        self.before_each: Callable[[], object] = lambda: None
        self.on_put: Callable[[Mapping[str, str]], object] = lambda _values: None
        self._failures: deque[tuple[int, bool]] = deque()

    def fail(self, times: int = 1, written: int = 0, *, away: bool = False) -> None:
        """Make the next ``times`` puts keep their first ``written`` values and then fail, as a starting store does."""
        self._failures.extend([(written, away)] * times)

    def put(self, values: Mapping[str, str]) -> None:
        """Write all values; see `StateStore.put`."""
        kept, away = self._failures.popleft() if self._failures else (None, False)
        self.puts.append(dict(values))
        for key, value in itertools.islice(values.items(), kept):
            self.before_each()
            self.values[key] = value
        self.on_put(values)
        if kept is not None:
            reason = f"the state store refused {len(values) - kept} of {len(values)} puts"
            raise Unreachable(reason) if away else Unavailable(reason)

    def remove(self, keys: Collection[str]) -> None:
        """Remove keys; see `StateStore.remove`."""
        for key in keys:
            self.values.pop(key, None)

    def get(self, key: str) -> str | None:
        """Return a value, None if there is none."""
        return self.values.get(key)


class FakeClock:
    """A clock that advances only when somebody waits or a test sets it.

    Parameters
    ----------
    on_wait
        Called at each wait with its seconds; a test can end an outage here.
    """

    def __init__(self, on_wait: Callable[[float], None] = lambda _seconds: None) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.on_wait = on_wait

    def monotonic(self) -> float:
        """Return seconds since some moment."""
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
        The numbers of messages received and processed, as ``functions stats`` would show them.
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
        """Add to `counted`."""
        self.counted = (self.counted[0] + received, self.counted[1] + processed)

    def record(self, metric: str, value: float) -> None:
        """Keep a metric and its value."""
        self.recorded.append((metric, value))


class FakePlatform(Platform):
    """A platform with a given database and state store, which does background work immediately."""

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
        """Do the work in the calling thread."""
        work()


def instance_context(
    config: FunctionConfig | None = None,
    *,
    host: Host | None = None,
    clock: Clock | None = None,
    database: Database | None = None,
    state: StateStore | None = None,
) -> InstanceContext:
    """Return an instance context for `BatchFunction.build` and for the parts of an instance.

    Parameters
    ----------
    config
        The function's configuration; by default one without keys.
    host
        What runs the instance; a `FakeHost` by default.
    clock
        A `FakeClock` by default.
    database, state
        Where the function writes.
    """
    return InstanceContext(
        host or FakeHost(), config or FunctionConfig(dsn_env="NONE"), FakePlatform(clock, database, state)
    )


class Acknowledged(list[Any]):
    """Keeps the messages that were acknowledged, in order."""

    def acknowledge(self, message: Any) -> None:
        """Keep a message."""
        self.append(message)


def received(
    topic: str, payload: bytes, *, key: str = "", properties: Mapping[str, str] | None = None, retried: bool = False
) -> Received:
    """Return a message that an instance has taken in.

    Parameters
    ----------
    topic
        Full name of the input that it first came from.
    payload, key, properties
        The message's content.
    retried
        Whether it came through the retry topic; its property ``attempt`` then has the number of the attempt.
    """
    message = FakeMessage(payload, key, properties, topic=f"{topic}-partition-0")
    return Received(local_name(topic), topic, message, Acknowledged(), retried=retried)


def process(
    function: type[BatchFunction], messages: Sequence[Received], context: InstanceContext | None = None
) -> list[Event]:
    """Process messages as an instance does, and return what it would publish: events, dead letters, later attempts.

    Successive messages of one input share a transaction. External calls are made in the calling thread.

    Parameters
    ----------
    function
        The class of the function.
    messages
        The messages to process; see `received`.
    context
        The context that the function is built with; see `instance_context`.

    Raises
    ------
    AssertionError
        A bug fails most messages of an input: an instance would halt the input.
    """
    context = context or instance_context()
    service = object.__new__(function).build(context.config, context)
    halted: list[str] = []
    committer = Committer(context, with_answers(service.handlers), service.database, halted.append)
    events: list[Event] = []
    for role, neighbours in itertools.groupby(messages, lambda message: message.role):
        group = list(neighbours)
        while group:
            committed = committer.commit(group)
            if committed is None:
                raise AssertionError(f"an instance would halt the input {role}; the log says why")
            events.extend(committed.events)
            call = service.handlers[role].external_call
            group = [asked.answered(ANSWERED + role, call.ask(question)) for asked, question in committed.asked if call]
    return events
