"""Stand-ins for Pulsar, PostgreSQL, the state store and time: in memory, deterministic, and able to fail on demand.

None has a thread or waits: a test steps the runtime's own objects against them, in any order. Whoever wants to see the
order of what happened gives several of them one `journal`.
"""

import itertools
import sys
import threading
from collections import ChainMap, Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

import pulsar

from alpes_runtime.database import BadData, Row
from alpes_runtime.errors import PublishFailed, Refused, Unavailable, Unreachable
from alpes_runtime.fakes import FakeMessage
from alpes_runtime.message import Event
from alpes_runtime.publisher import event_bytes

Journal = list[tuple[str, Any]]
"""What happened, in order: ``(what, to what)``."""
Rows = MutableMapping[Any, Any]
"""A table: rows by key."""
Statement = Callable[[Rows, Mapping[str, Any]], list[Row]]
"""What a query does: takes the rows as its transaction sees them, which it may change, and the parameters."""


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


class FakeDatabase:
    """Tables in memory, read committed, with failures to order.

    A row that an open transaction has written can't be written by another one until that ends: the other gets
    `Unavailable`, as it would from a lock timeout, and tries again. So two instances can be stepped through each other.

    Parameters
    ----------
    statements
        What each query does. The same function can stand behind real SQL in a test of both.
    shared
        Another connection to the same tables, None for tables of its own.
    """

    def __init__(self, statements: Mapping[str, Statement], shared: "FakeDatabase | None" = None) -> None:
        self.rows: dict[Any, Any] = {} if shared is None else shared.rows
        self.refused: set[Any] = set()
        self.journal: Journal = []
        self.commits = 0
        self.locks: dict[Any, FakeTransaction] = {} if shared is None else shared.locks
        self.statements = statements
        self._failures: Counter[str] = Counter()

    def fail(self, step: str, times: int = 1) -> None:
        """Let the next ``times`` times of a step raise `Unavailable`.

        Parameters
        ----------
        step
            ``begin``, ``execute``, ``commit`` (rolled back), or ``answer`` (committed, and nobody is told).
        times
            How often.
        """
        self._failures[step] += times

    @contextmanager
    def transaction(self) -> Iterator["FakeTransaction"]:
        """Open a transaction; see `Database.transaction`."""
        self.interrupt("begin")
        transaction = FakeTransaction(self)
        try:
            yield transaction
            self.interrupt("commit")
            if transaction.aborted:
                raise BadData("COMMIT was answered with ROLLBACK: a statement before it had failed")
            self.rows.update(transaction.written)
            for key in transaction.deleted:
                self.rows.pop(key, None)
            self.commits += 1
            self.journal.append(("commit", sorted(map(str, transaction.written))))
        finally:
            for key in [key for key, holder in self.locks.items() if holder is transaction]:
                del self.locks[key]
        self.interrupt("answer")

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def interrupt(self, step: str) -> None:
        """Raise `Unavailable` where `fail` was told to."""
        if self._failures[step]:
            self._failures[step] -= 1
            raise Unavailable(f"the database is away ({step})")


class FakeTransaction:
    """An open transaction: its own writes over what is committed at the time of each statement."""

    def __init__(self, database: FakeDatabase) -> None:
        self.written: dict[Any, Any] = {}
        self.deleted: set[Any] = set()
        self.aborted = False
        self._database = database

    def execute(self, query: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement; see `Transaction.execute`."""
        self._database.interrupt("execute")
        values = params or {}
        if self._database.refused and not self._database.refused.isdisjoint(_flat(values)):
            self.aborted = True
            raise BadData("the database refuses a value")
        return self._database.statements[query](_Seen(self, self._database), values)

    def stream(self, query: str, params: Mapping[str, Any] | None = None) -> Iterator[Row]:
        """Run one query and yield its rows; see `Transaction.stream`."""
        yield from self.execute(query, params)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo on an exception what was done since; see `Transaction.savepoint`."""
        written, deleted = dict(self.written), set(self.deleted)
        try:
            yield
            if self.aborted:
                raise BadData("a statement before had failed")
        except Unavailable:
            raise
        except Exception:
            for key in (self.written.keys() | self.deleted) - written.keys() - deleted:
                del self._database.locks[key]
            self.written, self.deleted, self.aborted = written, deleted, False
            raise


class _Seen(MutableMapping[Any, Any]):
    """The rows as one transaction sees them."""

    def __init__(self, transaction: FakeTransaction, database: FakeDatabase) -> None:
        self._transaction = transaction
        self._database = database

    def _view(self) -> dict[Any, Any]:
        merged = ChainMap(self._transaction.written, self._database.rows)
        return {key: merged[key] for key in merged if key not in self._transaction.deleted}

    def _lock(self, key: Any) -> None:
        if self._database.locks.setdefault(key, self._transaction) is not self._transaction:
            raise Unavailable(f"another transaction holds {key!r}")

    def __getitem__(self, key: Any) -> Any:
        if key in self._transaction.deleted:
            raise KeyError(key)
        return ChainMap(self._transaction.written, self._database.rows)[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._lock(key)
        self._transaction.deleted.discard(key)
        self._transaction.written[key] = value

    def __delitem__(self, key: Any) -> None:
        self._lock(key)
        self._transaction.written.pop(key, None)
        self._transaction.deleted.add(key)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._view())

    def __len__(self) -> int:
        return len(self._view())


class FakePublisher:
    """Keeps what is published, in order, and fails on demand.

    Attributes
    ----------
    takes
        The most bytes of an event: larger ones are refused.
    """

    def __init__(self) -> None:
        self.published: list[Event] = []
        self.calls: list[Sequence[Event]] = []
        self.journal: Journal = []
        self.closed = False
        self.takes = sys.maxsize
        self._failures: deque[int] = deque()

    def fail(self, times: int = 1, confirmed: int = 0) -> None:
        """Let the next ``times`` groups fail after their first ``confirmed`` events were published."""
        self._failures.extend([confirmed] * times)

    def publish(self, events: Sequence[Event]) -> None:
        """Publish all events; see `Publisher.publish`."""
        self.calls.append(tuple(events))
        kept = self._failures.popleft() if self._failures else None
        refused = [event for event in events if event_bytes(event) > self.takes] if kept is None else []
        self.published.extend([event for event in events[:kept] if event not in refused])
        if refused:
            raise Refused(refused)
        if kept is not None:
            raise PublishFailed(f"the broker confirmed {kept} of {len(events)} events")
        self.journal.append(("publish", [event.key for event in events]))

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


class FakeStateStore:
    """Keeps what is put, every value that each key ever had, and fails on demand."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.puts: list[Mapping[str, str]] = []
        self.on_put: Callable[[Mapping[str, str]], None] = lambda _values: None
        self._failures: deque[tuple[int, bool]] = deque()

    def fail(self, times: int = 1, written: int = 0, *, away: bool = False) -> None:
        """Let the next ``times`` puts fail after their first ``written`` values were kept, as a cold store does."""
        self._failures.extend([(written, away)] * times)

    def put(self, values: Mapping[str, str]) -> None:
        """Write all values; see `StateStore.put`."""
        kept, away = self._failures.popleft() if self._failures else (None, False)
        self.puts.append(dict(values))
        self.values.update(itertools.islice(values.items(), kept))
        self.on_put(values)
        if kept is not None:
            kind = Unreachable if away else Unavailable
            raise kind(f"the state store refused {len(values) - kept} of {len(values)} puts")

    def get(self, key: str) -> str | None:
        """Return a value, None where there is none."""
        return self.values.get(key)


class FakeSubscription:
    """A Shared subscription to one topic: what its consumers don't acknowledge comes again when they close or crash.

    Parameters
    ----------
    topic
        Full name, without a partition.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.waiting: deque[FakeMessage] = deque()
        self.acknowledged: list[FakeMessage] = []
        self.journal: Journal = []
        self._numbers = itertools.count()

    def publish(self, payload: bytes, key: str = "", properties: Mapping[str, str] | None = None) -> FakeMessage:
        """Add a message."""
        partition = f"{self.topic}-partition-0"
        message = FakeMessage(payload, key, dict(properties or {}), f"(1,{next(self._numbers)},0,-1)", partition)
        self.waiting.append(message)
        return message

    def consumer(self) -> "FakeConsumer":
        """Open a consumer."""
        return FakeConsumer(self)


class FakeConsumer:
    """One of a subscription's consumers."""

    def __init__(self, subscription: FakeSubscription) -> None:
        self._subscription = subscription
        self.unacknowledged: dict[Any, FakeMessage] = {}
        self.closed = False

    silence = None

    def ready(self, _seconds: float) -> bool:
        """Whether there is a message."""
        self._check_open()
        return bool(self._subscription.waiting)

    def tend(self) -> None:
        """Do nothing: there is no connection that could be lost."""

    def receive(self) -> FakeMessage | None:
        """Return the next message, None without one."""
        self._check_open()
        if not self._subscription.waiting:
            return None
        message = self._subscription.waiting.popleft()
        self.unacknowledged[message.id] = message
        return message

    def acknowledge(self, message: FakeMessage) -> None:
        """Acknowledge a message."""
        self._check_open()
        self.unacknowledged.pop(message.id, None)
        self._subscription.acknowledged.append(message)
        self._subscription.journal.append(("acknowledge", message.key))

    def redeliver(self) -> None:
        """Let what is unacknowledged come again, as after a lost connection; it may be acknowledged meanwhile."""
        self._subscription.waiting.extendleft(reversed(self.unacknowledged.values()))
        self.unacknowledged.clear()

    def close(self) -> None:
        """Close it, or let it crash: what is unacknowledged goes to the subscription's other consumers."""
        self.redeliver()
        self.closed = True

    def _check_open(self) -> None:
        if self.closed:
            raise pulsar.AlreadyClosed("the consumer is closed")


def _flat(params: Mapping[str, Any]) -> Iterator[Any]:
    for value in params.values():
        if isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
            yield from value
        else:
            yield value
