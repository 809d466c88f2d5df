"""Keeps each key's present value in the state store, behind the tables: never in a message's way, never skipping a key.

The tables are the record. Which keys still have to be written stands in the tables too (a *mark*: the keys that one
statement changed, inserted by that statement), so nothing in memory matters when an instance dies.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from alpes_runtime._context import InstanceContext
from alpes_runtime._state import IN_FLIGHT, StateStore
from alpes_runtime.database import Database, Transaction
from alpes_runtime.errors import Unavailable, Unreachable

CLAIM_MARKS = 16
"""Marks taken at once, at most."""
REMEMBERED_KEYS = 200_000
"""Keys whose last written version is kept in memory, so that an order that is marked twice is written once."""
FULL_SPEED_PUTS = IN_FLIGHT
"""Puts between two looks at the time and at how many messages come through: as many as go out at once, so that even a
store that hardly answers takes no longer for them than `PUT_TIMEOUT_S`."""
LOOK_AGAIN_S = 20.0
"""After so long the database is heard of again, and marks that were not begun are left to whoever comes next. With one
call of the store more it is well below the time after which PostgreSQL ends an idle transaction: a step that was ended
so would begin with all of it again, and never get to its end."""
REST_S = 15.0
"""For so long orders have to come through again before a store is written to that was away. One that was restarted
first works off its journal, by itself and at the first write to each table: seconds of a core for what was written
lately, and where it shares the machine with the broker, orders need them more."""
LONGEST_REST_S = 30.0
"""After so long it is tried whether orders come through or not."""
IDLE_S = 0.2
"""How often marks are looked for when there were none."""
GATHER_S = 0.1
"""What is marked within so long is written together: at some hundred commits a second, a step for each mark costs more
than its puts."""
LAGGING_S = 5.0
"""A change that waits for longer is behind; at the start of an instance it means that something was away."""
LAG_EVERY_S = 10.0
"""How often the lag is reported while there is one."""


class Versioned(NamedTuple):
    """A key's present value. The version grows with every change."""

    version: int
    value: str


class Mark(NamedTuple):
    """The keys that one statement changed.

    Attributes
    ----------
    keys
        Whose present value is to be written.
    tried
        Whether somebody began to write it before; what they left in the store is unknown.
    """

    keys: Sequence[str]
    tried: bool


class Marks(Protocol):
    """A function's marks of what is still to be written; SQL behind it."""

    def announce(self, transaction: Transaction, most: int) -> Mapping[int, Mark]:
        """Record on up to ``most`` marks that nobody works on, oldest first, that their writing begins; by id."""
        ...

    def hold(self, transaction: Transaction, marks: Iterable[int]) -> Collection[int]:
        """Lock these marks until the transaction ends; return those that are still there and that nobody else holds."""
        ...

    def current(self, transaction: Transaction, keys: Sequence[str]) -> Mapping[str, Versioned]:
        """Return what is committed by now under each key."""
        ...

    def clear(self, transaction: Transaction, marks: Iterable[int]) -> None:
        """Remove marks whose keys are all written."""
        ...

    def lag(self, transaction: Transaction) -> tuple[int, float]:
        """Return how many keys are marked, and the age of the oldest mark in seconds."""
        ...


class WriteBehind:
    """Writes each marked key's present value to the state store.

    A mark is removed only when every value written for it is still the present one, so a writer that was stopped for a
    while can't leave an old value over a newer one: whoever writes looks again, and writes again. Marks are row-locked
    while they are worked on: two instances share them, and those of one that dies are free at once, known to have been
    tried, so that their keys are written again whatever memory says.

    That is also why all marks of a step are locked at once, before the first put, and in one transaction to its end. A
    mark is announced as tried for whoever comes later; who announced it remembers that it was *not* tried before. That
    holds as long as nobody else can have held it since with an older value than memory knows of: so nothing is put
    between the two, and what the step has no time for is not held again, but announced again, as tried.

    Parameters
    ----------
    marks
        What is to be written.
    database
        An own connection: the one that orders use never waits for the state store.
    state
        Where it is written.
    context
        The instance.
    busy_from
        While more messages a second come through, at most ``per_second`` puts are made; otherwise as many as the store
        takes.
    per_second
        The budget while busy.

    Attributes
    ----------
    unverified
        Keys that were put, and not looked at again since.
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
        """Write what a few marks name; see `View.step`."""
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
        """Return how many marks to take at once: while it is busy, what its budget lets it write within `GATHER_S`."""
        if not self._busy():
            return CLAIM_MARKS
        return max(1, min(CLAIM_MARKS, int(GATHER_S * self._per_second / self._keys_of_a_mark)))

    def _busy(self) -> bool:
        return self._context.traffic.per_second() > self._busy_from

    def _rest(self) -> None:
        """Leave a store that was away alone until orders flow, or for long enough."""
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
        """Write some of what was put, and not looked at before something failed: it may lie over a newer value."""
        keys = set(sorted(self.unverified)[: self._keys_at_once()])
        with self._database.transaction() as transaction:
            self._forget(keys)
            self._write(transaction, keys)

    def _work_off(self, transaction: Transaction, held: Mapping[int, Mark]) -> None:
        """Write what the marks name, and remove them, part by part until the time is up; the first part always."""
        started = self._clock.monotonic()
        self._forget({key for mark in held.values() if mark.tried for key in mark.keys})
        for part in self._parts(held):
            self._write(transaction, {key for mark in part for key in held[mark].keys})
            self._marks.clear(transaction, part)
            if self._clock.monotonic() - started >= LOOK_AGAIN_S:
                return

    def _parts(self, held: Mapping[int, Mark]) -> Iterator[Sequence[int]]:
        """Cut marks into parts that even the budget gets through in time; a larger mark is one for itself."""
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
        """Put keys, some between two looks, until each was looked at after its put and had not changed."""
        while keys:
            current = self._marks.current(transaction, sorted(keys))
            stale = [(key, value) for key, value in current.items() if self._written.get(key, 0) < value.version]
            self.unverified -= keys - {key for key, _ in stale}
            if not stale:
                return
            self._put(stale)
            keys = {key for key, _ in stale}

    def _put(self, values: Sequence[tuple[str, Versioned]]) -> None:
        """Put values, or as many of them as there is time for."""
        place, until = 0, self._clock.monotonic() + LOOK_AGAIN_S
        while place < len(values) and (started := self._clock.monotonic()) < until:
            if self._stopping.is_set():
                raise Unavailable("stopping; what is still to be written stays marked")
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
        """Forget what was written, so that it is written whatever it was."""
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
            # First of all: a lag that can't be had must not keep everything else from being done.
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
