"""Writes each key's present value to the state store, behind the tables: it delays no message and skips no key.

The tables are the record. They also hold the *marks*: each statement that changes keys inserts a mark that names them,
and they still have to be written. So nothing in memory matters when an instance dies.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from alpes_runtime._context import InstanceContext
from alpes_runtime._state import IN_FLIGHT, StateStore
from alpes_runtime.database import Database, Transaction
from alpes_runtime.errors import Unavailable, Unreachable

CLAIM_MARKS = 16
"""Most marks taken at once."""
REMEMBERED_KEYS = 200_000
"""Keys whose last written version is kept in memory, so that a key that is marked twice is written once."""
FULL_SPEED_PUTS = IN_FLIGHT
"""Puts between two checks of the clock and of the message rate. They are all in flight at once, so even a store that
hardly answers takes no longer for them than `PUT_TIMEOUT_S`."""
LOOK_AGAIN_S = 20.0
"""Longest time between two statements of a step; marks that were not begun by then are left to the next step. Together
with one more call of the store it is well below PostgreSQL's limit for an idle transaction. A step that exceeded the
limit would start all over again, and never end."""
REST_S = 15.0
"""After an outage of the store, messages must be processed for this long before the view writes to it again. A store
that was restarted first replays its journal, which takes seconds of CPU. If it shares the machine with the broker, the
messages need the CPU more."""
LONGEST_REST_S = 30.0
"""After this long the view writes again even if no messages are processed."""
IDLE_S = 0.2
"""Pause after a step that found no marks."""
GATHER_S = 0.1
"""Changes that are marked within this time are written together: at some hundred commits a second, a step for each mark
costs more than its puts."""
LAGGING_S = 5.0
"""A change that waits longer makes the view lag. A lag at the start of an instance means that a dependency was away."""
LAG_EVERY_S = 10.0
"""Time between two reports of the lag."""


class Versioned(NamedTuple):
    """A key's present value. The version grows with every change."""

    version: int
    value: str


class Mark(NamedTuple):
    """The keys that one statement changed.

    Attributes
    ----------
    keys
        The keys whose present value has to be written.
    tried
        Whether an earlier step began to write them; the store may hold an old or a new value.
    """

    keys: Sequence[str]
    tried: bool


class Marks(Protocol):
    """A function's marks, kept in its tables."""

    def announce(self, transaction: Transaction, most: int) -> Mapping[int, Mark]:
        """Record on the oldest marks that nobody holds, at most ``most``, that work begins; return them by id."""
        ...

    def hold(self, transaction: Transaction, marks: Iterable[int]) -> Collection[int]:
        """Lock these marks until the transaction ends; return those that still exist and that nobody else holds."""
        ...

    def current(self, transaction: Transaction, keys: Sequence[str]) -> Mapping[str, Versioned]:
        """Return the committed value of each key."""
        ...

    def clear(self, transaction: Transaction, marks: Iterable[int]) -> None:
        """Remove marks; all their keys are written."""
        ...

    def lag(self, transaction: Transaction) -> tuple[int, float]:
        """Return how many keys are marked, and the age of the oldest mark in seconds."""
        ...


class WriteBehind:
    """Writes each marked key's present value to the state store.

    A mark is removed only if every value written for it is still the present one. A writer reads the tables again after
    its puts, and writes again if a value has changed. So a writer that was suspended can't leave an old value over a
    newer one.

    Marks are row-locked while a step works on them, so two instances share the work. If an instance dies, its marks are
    free immediately and known as tried. Their keys are then written again, whatever version is remembered.

    A step first announces its marks as tried, in a transaction of its own, and remembers which were *not* tried before.
    It then locks all of them in a second transaction, before the first put. This is safe only if no other instance can
    have held a mark in between and put an older value than this one remembers: so the step puts nothing between the two
    transactions. Marks that it has no time for are announced again later, as tried.

    Parameters
    ----------
    marks
        The marks to write.
    database
        A separate connection, so that the handlers' connection never waits for the state store.
    state
        Where values are written.
    context
        The instance.
    busy_from
        The instance is busy while it processes more messages a second than this.
    per_second
        Most puts a second while the instance is busy; otherwise the store's speed is the limit.

    Attributes
    ----------
    unverified
        Keys that were put, and whose tables were not read again since.
    """

    def __init__(
        self,
        marks: Marks,
        database: Database,
        state: StateStore,
        context: InstanceContext,
        *,
        busy_from: float,
        per_second: int,
    ) -> None:
        self._marks = marks
        self._database = database
        self._state = state
        self._context = context
        self._clock = context.clock
        self._stopping = context.stopping
        self._log = context.logger
        self._busy_from = busy_from
        self._per_second = per_second
        self._written: dict[str, int] = {}
        self.unverified: set[str] = set()
        self._keys_of_a_mark = 1.0
        self._next_lag: float | None = None
        self._lagging = False
        self._away_since: float | None = None

    def step(self) -> float:
        """Write the keys of a few marks; see `View.step`."""
        self._report_lag()
        self._rest()
        if self.unverified:
            self._write_again()
            return 0.0
        started = self._clock.monotonic()
        most = self._claim()
        with self._database.transaction() as transaction:
            marks = self._marks.announce(transaction, most)
        if not marks:
            return IDLE_S
        self._keys_of_a_mark = max(1.0, sum(len(mark.keys) for mark in marks.values()) / len(marks))
        with self._database.transaction() as transaction:
            held = self._marks.hold(transaction, marks)
            self._work_off(transaction, {mark: marks[mark] for mark in sorted(held)})
        return 0.0 if len(marks) == most else max(0.0, started + GATHER_S - self._clock.monotonic())

    def _claim(self) -> int:
        """Return how many marks to take at once; while busy, as many as the budget allows within `GATHER_S`."""
        if not self._busy():
            return CLAIM_MARKS
        return max(1, min(CLAIM_MARKS, int(GATHER_S * self._per_second / self._keys_of_a_mark)))

    def _busy(self) -> bool:
        return self._context.traffic.per_second() > self._busy_from

    def _rest(self) -> None:
        """After an outage of the store, wait for `REST_S` of processed messages, at most `LONGEST_REST_S`."""
        flowing_since: float | None = None
        while self._away_since is not None and not self._stopping.is_set():
            now = self._clock.monotonic()
            if self._context.traffic.per_second() == 0:
                flowing_since = None
            elif flowing_since is None:
                flowing_since = now
            rested = flowing_since is not None and now - flowing_since >= REST_S
            if rested or now - self._away_since >= LONGEST_REST_S:
                self._away_since = None
            else:
                self._clock.wait(self._stopping, 1.0)
                self._report_lag()

    def _write_again(self) -> None:
        """Write some unverified keys again: before the failure, an older value may have overwritten a newer one."""
        keys = set(sorted(self.unverified)[: self._keys_at_once()])
        with self._database.transaction() as transaction:
            self._forget(keys)
            self._write(transaction, keys)

    def _work_off(self, transaction: Transaction, held: Mapping[int, Mark]) -> None:
        """Write the marks' keys and remove the marks, part by part until `LOOK_AGAIN_S` is over; at least one part."""
        started = self._clock.monotonic()
        self._forget({key for mark in held.values() if mark.tried for key in mark.keys})
        for part in self._parts(held):
            self._write(transaction, {key for mark in part for key in held[mark].keys})
            self._marks.clear(transaction, part)
            if self._clock.monotonic() - started >= LOOK_AGAIN_S:
                return

    def _parts(self, held: Mapping[int, Mark]) -> Iterator[Sequence[int]]:
        """Cut marks into parts that the budget can write in time; a larger mark is a part of its own."""
        part: list[int] = []
        keys = 0
        for number, mark in held.items():
            if part and keys + len(mark.keys) > self._keys_at_once():
                yield part
                part, keys = [], 0
            part.append(number)
            keys += len(mark.keys)
        if part:
            yield part

    def _keys_at_once(self) -> int:
        return max(1, int(LOOK_AGAIN_S * self._per_second))

    def _write(self, transaction: Transaction, keys: AbstractSet[str]) -> None:
        """Put keys until the tables, read again after each put, show no newer value."""
        while keys:
            current = self._marks.current(transaction, sorted(keys))
            stale = [(key, value) for key, value in current.items() if self._written.get(key, 0) < value.version]
            self.unverified -= keys - {key for key, _ in stale}
            if not stale:
                return
            self._put(stale)
            keys = {key for key, _ in stale}

    def _put(self, values: Sequence[tuple[str, Versioned]]) -> None:
        """Put values, or as many of them as `LOOK_AGAIN_S` allows."""
        place, until = 0, self._clock.monotonic() + LOOK_AGAIN_S
        while place < len(values) and (started := self._clock.monotonic()) < until:
            if self._stopping.is_set():
                raise Unavailable("stopping; values that are not written yet stay marked")
            busy = self._busy()
            most = min(max(1, self._per_second // 10), FULL_SPEED_PUTS) if busy else FULL_SPEED_PUTS
            chunk = values[place : place + most]
            self.unverified.update(key for key, _ in chunk)
            try:
                self._state.put({key: value.value for key, value in chunk})
            except Unreachable:
                self._away_since = self._clock.monotonic()
                raise
            self._remember(chunk)
            place += len(chunk)
            if busy:
                spent = self._clock.monotonic() - started
                self._clock.wait(self._stopping, max(0.0, len(chunk) / self._per_second - spent))

    def _forget(self, keys: Iterable[str]) -> None:
        """Forget the written versions of these keys, so that they are written again."""
        for key in keys:
            self._written.pop(key, None)

    def _remember(self, written: Sequence[tuple[str, Versioned]]) -> None:
        if len(self._written) > REMEMBERED_KEYS:
            for key in list(self._written)[: REMEMBERED_KEYS // 2]:
                del self._written[key]
        for key, value in written:
            self._written.pop(key, None)
            self._written[key] = value.version

    def _report_lag(self) -> None:
        now = self._clock.monotonic()
        first = self._next_lag is None
        if self._next_lag is not None:
            if now < self._next_lag:
                return
            # Set before the query: if that fails, the next step must not repeat it and fail again.
            self._next_lag = now + LAG_EVERY_S
        with self._database.transaction() as transaction:
            keys, seconds = self._marks.lag(transaction)
        self._context.record("state_lag_keys", keys)
        self._context.record("state_lag_seconds", seconds)
        if seconds > LAGGING_S:
            self._log.info("The state store is behind by %d changes, the oldest %.0f s old", keys, seconds)
        elif self._lagging:
            self._log.info("The state store has caught up")
        self._lagging = seconds > LAGGING_S
        if first:
            self._next_lag = now + LAG_EVERY_S
            self._away_since = now if self._lagging else None
