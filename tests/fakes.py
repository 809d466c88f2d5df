"""Stand-ins for Pulsar, PostgreSQL, the state store and time: in memory, deterministic, and able to fail on demand.

None has a thread or waits: a test steps the runtime's own objects against them, in any order. A `journal` that several
of them share shows the order of events.
"""

import sys
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from alpes_runtime._message import Event
from alpes_runtime._publisher import event_bytes
from alpes_runtime.errors import PublishFailed, Refused, Unavailable
from tests.simulation.broker import Broker, Client, Consumer, Message
from tests.simulation.scheduler import Scheduler
from tests.simulation.server import Connection, Server, Statement

Journal = list[tuple[str, Any]]
"""What happened, in order: ``(what, to what)``."""


class FakeDatabase(Connection):
    """A connection to the simulated PostgreSQL that fails on demand; a row that another transaction holds is a timeout.

    So a test can step two instances in turn.

    Parameters
    ----------
    statements
        What each query does.
    shared
        Another connection to the same tables, None for tables of its own.
    """

    def __init__(self, statements: Mapping[str, Statement], shared: "FakeDatabase | None" = None) -> None:
        super().__init__(shared.server if shared else Server(statements, lambda: 0, until=_held_by_nobody), "test")
        self.journal: Journal = []
        self._failures: Counter[str] = Counter()
        if shared is None:
            self.server.on_commit = lambda written: self.journal.append(("commit", sorted(key for _, key in written)))

    @property
    def rows(self) -> dict[Any, Any]:
        """What is committed of the table ``kept``."""
        return self.server.tables.setdefault("kept", {})

    def fail(self, step: str, times: int = 1) -> None:
        """Let the next ``times`` times of a step raise `Unavailable`.

        Parameters
        ----------
        step
            ``begin``, ``statement``, ``commit`` (rolled back), or ``answer`` (committed, and nobody is told).
        times
            How often.
        """
        self._failures[step] += times

    def pause(self, step: str) -> None:
        """Raise `Unavailable` if `fail` was called for this step."""
        if self._failures[step]:
            self._failures[step] -= 1
            raise Unavailable(f"the database is away ({step})")


def _held_by_nobody(holds: Callable[[], bool], row: str) -> None:
    if not holds():
        raise Unavailable(f"another transaction holds {row}")


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


class FakeSubscription:
    """A topic of the simulated Pulsar and its one subscription, without faults.

    Unacknowledged messages come again when their consumer closes or loses its connection.

    Parameters
    ----------
    topic
        Full name, without a partition.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.acknowledged: list[Message] = []
        self.journal: Journal = []
        self._broker = Broker(Scheduler(Random(0)), Random(0))
        self._broker.on_acknowledged = self._note
        self._client = Client(self._broker)

    @property
    def waiting(self) -> list[Message]:
        """The messages that no consumer holds."""
        return self._broker.subscription(self.topic, "test").waiting

    def publish(self, payload: bytes, key: str = "", properties: Mapping[str, str] | None = None) -> Message:
        """Add a message."""
        return self._broker.publish(self.topic, payload, key, properties)

    def consumer(self) -> Consumer:
        """Open a consumer."""
        return self._client.subscribe(self.topic, "test")

    def _note(self, message: Message) -> None:
        self.acknowledged.append(message)
        self.journal.append(("acknowledge", message.key))
