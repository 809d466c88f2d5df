"""The view ends with each key's present value, whichever writer is stopped, and nothing waits for it."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime._state import IN_FLIGHT, PUT_TIMEOUT_S
from alpes_runtime.errors import Unavailable, Unreachable
from alpes_runtime.postgres import OPTIONS
from alpes_runtime.testing import FakeClock, FakeStateStore, instance_context
from alpes_runtime.views import _write_behind as module
from alpes_runtime.views._write_behind import (
    CLAIM_MARKS,
    GATHER_S,
    IDLE_S,
    LONGEST_REST_S,
    REST_S,
    WriteBehind,
)
from functions.ordenes.estado import EstadoMarks
from tests.fakes import FakeDatabase
from tests.simulation.statements import STATEMENTS


class Tables:
    """Orders that change, each change leaving a mark, as Ordenes does it."""

    def __init__(self) -> None:
        self.database = FakeDatabase(STATEMENTS["ordenes"])
        self.database.server.clock_ms = lambda: int(self.age_s * 1000)
        self.orders = self.database.server.tables.setdefault("ordenes", {})
        self.marks = self.database.server.tables.setdefault("estado_pendiente", {})
        self.numbers = itertools.count()
        self.age_s = 1.0
        """The age of each mark."""

    def change(self, *keys: str) -> None:
        for key in keys:
            version = self.orders[key]["version"] + 1 if key in self.orders else 1
            self.orders[key] = {"id": key, "version": version, "status": f"v{version}"}
        self.mark(*keys)

    def mark(self, *keys: str, tried: bool = False) -> None:
        number = next(self.numbers)
        self.marks[number] = {"id": number, "order_ids": keys, "tried": tried, "created_at": 0}

    @property
    def present(self) -> dict[str, str]:
        return {key: row["status"] for key, row in self.orders.items()}


(IDLE_LIMIT_S,) = map(float, re.findall(r"idle_in_transaction_session_timeout=(\d+)s", OPTIONS))


BUSY = 900.0
"""From this many messages a second on, the view holds back."""


class ImpatientDatabase(FakeDatabase):
    """Ends a transaction that is idle for too long, as PostgreSQL does."""

    def __init__(self, shared: FakeDatabase, clock: FakeClock) -> None:
        super().__init__({}, shared)
        self._clock = clock
        self._last = self._began = 0.0
        self.longest_s = 0.0

    def pause(self, step: str) -> None:
        idle_s, self._last = self._clock.now - self._last, self._clock.now
        if step == "begin":
            self._began = self._clock.now
        elif idle_s > IDLE_LIMIT_S:
            raise Unavailable("idle-in-transaction timeout")
        self.longest_s = max(self.longest_s, self._clock.now - self._began)
        super().pause(step)


class Writer:
    def __init__(self, tables: Tables, state: FakeStateStore, *, busy: bool = False, per_second: int = 50) -> None:
        self.clock = FakeClock()
        self.database = ImpatientDatabase(tables.database, self.clock)
        self.busy = busy
        self.traffic = BUSY / 2
        context = instance_context(clock=self.clock)
        traffic: Any = context.traffic
        traffic.per_second = lambda: 2 * BUSY if self.busy else self.traffic
        host: Any = context.host
        self.stopping, self.metrics = context.stopping, host.recorded
        self.view = WriteBehind(
            EstadoMarks(),
            self.database,
            state,
            context,
            busy_from=BUSY,
            per_second=per_second,
        )

    def catch_up(self) -> None:
        for _ in range(1000):
            try:
                if self.view.step() == IDLE_S:
                    return
            except Unavailable:
                continue
        pytest.fail("the view never catches up")


def beside_a_store_that_is_away(tables: Tables, state: FakeStateStore) -> Writer:
    """Return a writer with a change to write, whose last put was unanswered; the store answers the next one."""
    tables.change("a")
    state.fail(away=True)
    writer = Writer(tables, state)
    with pytest.raises(Unreachable):
        writer.view.step()
    return writer


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def state() -> FakeStateStore:
    return FakeStateStore()


def test_each_marked_key_gets_its_present_value_and_the_mark_goes(tables: Tables, state: FakeStateStore) -> None:
    tables.change("a", "b")
    Writer(tables, state).catch_up()
    assert state.values == {"a": "v1", "b": "v1"}
    assert len(tables.marks) == 0


def test_a_key_that_changed_several_times_is_written_once(tables: Tables, state: FakeStateStore) -> None:
    for _ in range(5):
        tables.change("a")
    Writer(tables, state).catch_up()
    assert state.puts == [{"a": "v5"}]


def test_a_key_marked_again_at_the_version_that_was_written_is_not_written_again(
    tables: Tables, state: FakeStateStore
) -> None:
    writer = Writer(tables, state)
    tables.change("a")
    writer.busy = True
    tables.change("a")
    writer.catch_up()
    assert state.puts == [{"a": "v2"}]


def test_a_mark_stays_when_the_store_fails(tables: Tables, state: FakeStateStore) -> None:
    tables.change("a", "b")
    state.fail(written=1)
    writer = Writer(tables, state)
    with pytest.raises(Unavailable):
        writer.view.step()
    assert len(tables.marks) == 1
    writer.catch_up()
    assert state.values == {"a": "v1", "b": "v1"}
    assert len(tables.marks) == 0


def test_a_store_that_was_away_is_left_alone_until_messages_have_come_through_for_a_while(
    tables: Tables, state: FakeStateStore
) -> None:
    writer = beside_a_store_that_is_away(tables, state)
    failed, came = writer.clock.now, 0.0
    writer.traffic = 0.0

    def back_after_a_while(_seconds: float) -> None:
        nonlocal came
        if writer.clock.now >= failed + 10 and not came:
            came, writer.traffic = writer.clock.now, 5.0

    writer.clock.on_wait = back_after_a_while
    state.on_put = lambda _values: put_at.append(writer.clock.now)
    put_at: list[float] = []
    writer.view.step()
    assert REST_S <= put_at[0] - came < REST_S + 2
    assert state.values == {"a": "v1"}


def test_a_store_that_refuses_and_is_there_is_tried_again_at_once(tables: Tables, state: FakeStateStore) -> None:
    tables.change("a")
    state.fail()
    writer = Writer(tables, state)
    writer.catch_up()
    assert writer.clock.waits == []
    assert state.values == {"a": "v1"}


def test_what_waits_for_long_is_seen_though_the_database_is_away_at_first(
    tables: Tables, state: FakeStateStore
) -> None:
    tables.change("a")
    tables.age_s = 60.0
    writer = Writer(tables, state)
    writer.database.fail("begin")
    with pytest.raises(Unavailable):
        writer.view.step()
    writer.view.step()
    assert sum(writer.clock.waits) >= REST_S
    assert state.values == {"a": "v1"}


def test_a_store_that_was_away_is_tried_in_the_end_though_no_message_comes(
    tables: Tables, state: FakeStateStore
) -> None:
    writer = beside_a_store_that_is_away(tables, state)
    failed = writer.clock.now
    writer.traffic = 0.0
    writer.view.step()
    assert LONGEST_REST_S <= writer.clock.now - failed < LONGEST_REST_S + 2
    assert state.values == {"a": "v1"}


@pytest.mark.parametrize(("age_s", "rests"), [(1.0, False), (60.0, True)])
def test_what_waits_for_long_at_the_start_waits_until_messages_have_come_through(
    tables: Tables, state: FakeStateStore, age_s: float, *, rests: bool
) -> None:
    tables.change("a")
    tables.age_s = age_s
    writer = Writer(tables, state)
    writer.view.step()
    assert (sum(writer.clock.waits) >= REST_S) is rests
    assert state.values == {"a": "v1"}


def test_a_stop_ends_the_rest(tables: Tables, state: FakeStateStore) -> None:
    tables.change("a")
    tables.age_s = 60.0
    writer = Writer(tables, state)
    writer.clock.on_wait = lambda _seconds: writer.stopping.set()
    with pytest.raises(Unavailable, match="stopping"):
        writer.view.step()
    assert sum(writer.clock.waits) < REST_S
    assert not state.values


def test_an_order_that_changes_while_it_is_written_is_written_again(tables: Tables, state: FakeStateStore) -> None:
    tables.change("a")
    changes: Iterator[int] = iter(range(2))
    state.on_put = lambda _values: tables.change("a") if next(changes, None) is not None else None
    Writer(tables, state).catch_up()
    assert state.values == {"a": "v3"}
    assert len(tables.marks) == 0


def test_a_writer_that_was_stopped_leaves_no_old_value_over_a_newer_one(tables: Tables, state: FakeStateStore) -> None:
    tables.change("a")
    slow, quick = Writer(tables, state), Writer(tables, state)

    def another_meanwhile(values: Mapping[str, str]) -> None:
        state.on_put = lambda _values: None
        tables.change("a")
        quick.catch_up()
        assert state.values["a"] == "v2"
        state.values.update(values)  # the slow one's put arrives only now

    state.on_put = another_meanwhile
    slow.catch_up()
    assert state.values == {"a": "v2"}


def test_a_mark_that_somebody_tried_is_written_whatever_memory_says(tables: Tables, state: FakeStateStore) -> None:
    writer = Writer(tables, state)
    tables.change("a")
    writer.catch_up()
    state.values["a"] = "an old value of one that died"
    tables.mark("a", tried=True)
    writer.catch_up()
    assert state.values == {"a": "v1"}


def test_a_mark_that_nobody_tried_relies_on_memory(tables: Tables, state: FakeStateStore) -> None:
    writer = Writer(tables, state)
    tables.change("a")
    writer.catch_up()
    tables.mark("a")
    writer.catch_up()
    assert state.puts == [{"a": "v1"}]


def test_every_value_put_without_a_second_look_is_put_again(
    tables: Tables, state: FakeStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FULL_SPEED_PUTS", 2)
    keys = ["a", "b", "c", "d"]
    tables.change(*keys)
    writer = Writer(tables, state)

    # All four are put; before the view looks again, the database goes away and another writer ends the marks.
    def lose_the_database(_values: Mapping[str, str]) -> None:
        if len(state.puts) == 2:
            writer.database.fail("statement")

    state.on_put = lose_the_database
    with pytest.raises(Unavailable):
        writer.view.step()
    state.on_put = lambda _values: None
    tables.change(*keys)
    Writer(tables, state).catch_up()
    state.values.update(dict.fromkeys(keys, "v1"))  # ours arrive only now
    state.fail(written=1)  # and the first attempt to mend it fails
    writer.catch_up()
    assert state.values == dict.fromkeys(keys, "v2")


def test_while_orders_are_waiting_the_store_gets_its_budget_and_no_more(tables: Tables, state: FakeStateStore) -> None:
    for n in range(200):
        tables.change(f"k{n}")
    writer = Writer(tables, state, busy=True, per_second=50)
    started = writer.clock.now
    writer.catch_up()
    assert len(state.values) == 200
    assert writer.clock.now - started == pytest.approx(200 / 50, rel=0.1)


def test_a_large_mark_is_written_within_the_budget_too(tables: Tables, state: FakeStateStore) -> None:
    tables.change(*(f"k{n}" for n in range(200)))
    writer = Writer(tables, state, busy=True, per_second=50)
    started = writer.clock.now
    writer.catch_up()
    assert max(len(put) for put in state.puts) == 5
    assert writer.clock.now - started == pytest.approx(200 / 50, rel=0.1)


def test_when_nothing_waits_it_is_as_fast_as_the_store(tables: Tables, state: FakeStateStore) -> None:
    for n in range(2 * CLAIM_MARKS):
        tables.change(f"k{n}")
    writer = Writer(tables, state)
    writer.catch_up()
    assert writer.clock.waits == []
    assert len(state.puts) == 2


@pytest.mark.parametrize(("keys", "claimed"), [(1, CLAIM_MARKS), (10, 3), (100, 1)])
def test_while_messages_come_through_it_takes_what_its_budget_lets_it_write(
    keys: int, claimed: int, tables: Tables, state: FakeStateStore
) -> None:
    writer = Writer(tables, state, busy=True, per_second=300)
    tables.change(*(f"first-{n}" for n in range(keys)))
    writer.view.step()
    for n in range(2 * CLAIM_MARKS):
        tables.change(*(f"k{n}-{m}" for m in range(keys)))
    writer.view.step()
    assert 2 * CLAIM_MARKS - len(tables.marks) == claimed


def test_one_large_mark_does_not_make_it_take_little_for_ever(tables: Tables, state: FakeStateStore) -> None:
    writer = Writer(tables, state, busy=True, per_second=300)
    for keys in (1000, 1):
        tables.change(*(f"k{keys}-{n}" for n in range(keys)))
        writer.view.step()
    for n in range(2 * CLAIM_MARKS):
        tables.change(f"k{n}")
    writer.view.step()
    assert len(tables.marks) == CLAIM_MARKS


def test_it_waits_for_more_only_where_it_took_all_there_was(tables: Tables, state: FakeStateStore) -> None:
    for n in range(CLAIM_MARKS + 1):
        tables.change(f"k{n}")
    writer = Writer(tables, state)
    assert writer.view.step() == 0
    state.on_put = lambda _values: setattr(writer.clock, "now", writer.clock.now + GATHER_S / 4)
    assert writer.view.step() == pytest.approx(0.75 * GATHER_S)
    state.on_put = lambda _values: setattr(writer.clock, "now", writer.clock.now + 2 * GATHER_S)
    tables.change("k0")
    assert writer.view.step() == 0
    assert writer.view.step() == IDLE_S


def test_a_mark_of_nothing_harms_nothing(tables: Tables, state: FakeStateStore) -> None:
    writer = Writer(tables, state, busy=True)
    tables.change()
    tables.change("a")
    writer.catch_up()
    assert state.values == tables.present
    assert len(tables.marks) == 0


def test_a_stop_leaves_what_is_not_written_marked(
    tables: Tables, state: FakeStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FULL_SPEED_PUTS", 1)
    tables.change("a", "b", "c")
    writer = Writer(tables, state)
    state.on_put = lambda _values: writer.stopping.set()
    with pytest.raises(Unavailable):
        writer.view.step()
    assert len(tables.marks) == 1
    state.on_put = lambda _values: None
    Writer(tables, state).catch_up()
    assert state.values == tables.present


def test_it_catches_up_although_messages_come_while_it_writes_many_marks(tables: Tables, state: FakeStateStore) -> None:
    for n in range(CLAIM_MARKS):
        tables.change(*(f"k{n}-{m}" for m in range(1000)))
    writer = Writer(tables, state, per_second=100)
    state.on_put = lambda _values: setattr(writer, "busy", True)
    writer.catch_up()
    assert state.values == tables.present
    assert sum(map(len, state.puts)) == CLAIM_MARKS * 1000


@pytest.mark.parametrize(("per_second", "keys"), [(1, 200), (30, 5000), (10_000, 5000)])
def test_a_mark_may_take_longer_than_a_transaction_may_be_idle(
    per_second: int, keys: int, tables: Tables, state: FakeStateStore
) -> None:
    tables.change(*(f"k{n}" for n in range(keys)))
    writer = Writer(tables, state, busy=True, per_second=per_second)
    writer.catch_up()
    assert len(tables.marks) == 0
    assert sum(map(len, state.puts)) == keys


def test_a_store_that_is_as_slow_as_it_may_be_is_waited_for(tables: Tables, state: FakeStateStore) -> None:
    for n in range(CLAIM_MARKS):
        tables.change(*(f"k{n}-{m}" for m in range(100)))
    writer = Writer(tables, state)

    def slowly(values: Mapping[str, str]) -> None:
        writer.clock.now += math.ceil(len(values) / IN_FLIGHT) * PUT_TIMEOUT_S

    state.on_put = slowly
    writer.catch_up()
    assert state.values == tables.present
    assert len(tables.marks) == 0


def test_what_was_not_looked_at_is_put_again_however_much_it_is(tables: Tables, state: FakeStateStore) -> None:
    keys = [f"k{n:04d}" for n in range(5000)]
    tables.change(*keys)
    writer = Writer(tables, state)
    state.on_put = lambda _values: writer.database.fail("statement") if state.values.keys() == set(keys) else None
    with pytest.raises(Unavailable):
        writer.view.step()
    state.on_put = lambda _values: None
    tables.change(*keys)
    Writer(tables, state).catch_up()
    state.values.update(dict.fromkeys(keys, "v1"))  # ours arrive only now
    writer.busy = True
    writer.catch_up()
    assert state.values == tables.present


def test_marks_are_not_kept_from_others_for_long(tables: Tables, state: FakeStateStore) -> None:
    for n in range(CLAIM_MARKS):
        tables.change(*(f"k{n}-{m}" for m in range(1000)))
    writer = Writer(tables, state, per_second=100)
    state.on_put = lambda _values: setattr(writer, "busy", True)
    writer.view.step()
    assert CLAIM_MARKS / 2 < len(tables.marks) < CLAIM_MARKS
    writer.catch_up()
    assert writer.database.longest_s < IDLE_LIMIT_S


def test_a_mark_that_was_left_over_is_written_whatever_memory_says(
    tables: Tables, state: FakeStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_AGAIN_S", 1.0)
    writer = Writer(tables, state, per_second=1)
    tables.change("b")
    writer.catch_up()
    tables.change("a")
    tables.mark("b")

    def slowly(_values: object) -> None:
        writer.clock.now += 1

    state.on_put = slowly
    writer.view.step()
    assert len(tables.marks) == 1
    # Meanwhile another writer takes it, and dies after its put.
    state.values["b"] = "an old value"
    writer.catch_up()
    assert state.values == tables.present


def test_it_says_how_far_behind_it_is(tables: Tables, state: FakeStateStore) -> None:
    tables.change("a", "b")
    writer = Writer(tables, state)
    writer.view.step()
    assert writer.metrics == [("state_lag_keys", 2), ("state_lag_seconds", 1.0)]


def test_what_is_remembered_is_bounded_and_forgetting_costs_only_a_put(
    tables: Tables, state: FakeStateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REMEMBERED_KEYS", 10)
    writer = Writer(tables, state)
    for n in range(100):
        tables.change(f"k{n}")
        writer.catch_up()
    assert len(writer.view._written) <= 11
    tables.change("k0")
    writer.catch_up()
    assert state.values == tables.present


STEPS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.sampled_from(["step", "step", "store fails", "commit fails", "begin fails", "die", "busy", "slow"]),
        st.sets(st.sampled_from("abcd"), max_size=3),
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(steps=STEPS, look_again_s=st.sampled_from([0.02, 0.05, 20.0]))
def test_whatever_fails_every_key_ends_with_its_present_value(
    steps: list[tuple[int, str, set[str], int]], look_again_s: float
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "LOOK_AGAIN_S", look_again_s)
        whatever_fails(steps)


def passes(clock: FakeClock, seconds: int, _values: object) -> None:
    clock.now += seconds


def whatever_fails(steps: list[tuple[int, str, set[str], int]]) -> None:
    tables, state = Tables(), FakeStateStore()
    writers = [Writer(tables, state), Writer(tables, state)]
    for number, step, keys, written in steps:
        if keys:
            tables.change(*sorted(keys))
        writer = writers[number]
        if step == "store fails":
            state.fail(written=written)
        elif step == "die":
            writers[number] = Writer(tables, state)
        elif step in ("commit fails", "begin fails"):
            writer.database.fail(step.split()[0])
        elif step == "busy":
            writer.busy = not writer.busy
        elif step == "slow":
            state.on_put = partial(passes, writer.clock, written)
        else:
            try:
                writer.view.step()
            except Unavailable:
                continue
    writers[0].catch_up()
    assert len(tables.marks) == 0
    assert state.values == {key: value for key, value in tables.present.items() if key in state.values}
    assert state.values.keys() == tables.present.keys()
