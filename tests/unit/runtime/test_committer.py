"""A group is decoded and applied in one transaction, and its events are returned; an outage loses nothing."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import _message as message_module
from alpes_runtime._committer import CAREFUL_GROUPS, CAREFUL_PART, CommittedGroup, Committer
from alpes_runtime._message import Event, Received
from alpes_runtime._outcome import Ask, Done, Handler, Outcome
from alpes_runtime._watchdog import HANG_LIMIT_S, Worker
from alpes_runtime.database import Transaction
from alpes_runtime.errors import BadData, Unavailable
from alpes_runtime.testing import Acknowledged, FakeClock
from alpes_wire.unpacking import unpacked
from tests.fakes import FakeDatabase
from tests.unit.runtime.parts import (
    OUT,
    RETRY,
    TOPIC,
    apply,
    committer,
    database,
    decode,
    instance_context,
    received,
    recorded,
)
from tests.unit.wire.entries import batch


def group(*payloads: str) -> list[Received]:
    return [received(payload.encode("latin-1")) for payload in payloads]


def settled(stage: Committer, messages: Sequence[Received]) -> CommittedGroup:
    result = stage.commit(messages)
    assert result is not None
    assert result.messages == messages
    return result


def reasons(result: CommittedGroup) -> dict[str, str]:
    """Error type of each dead letter, by key."""
    return {
        event.key: dict(event.properties or {})["error.type"]
        for event in result.events
        if event.topic == f"{TOPIC}-DLQ"
    }


def out(result: CommittedGroup) -> list[str]:
    return [event.key for event in result.events if event.topic == OUT]


def test_a_group_is_one_transaction_and_each_message_causes_its_event() -> None:
    store = database()
    result = settled(committer(store), group("a", "b", "c"))
    assert store.server.commits == 1
    assert store.rows.keys() == {"a", "b", "c"}
    assert (out(result), result.rejected) == (["a", "b", "c"], 0)


def test_only_the_message_that_does_not_decode_is_dead_lettered() -> None:
    store = database()
    result = settled(committer(store), group("a", "bad", "b", "crash"))
    assert reasons(result) == {"bad": "invalid", "crash": "bug"}
    assert (out(result), result.rejected) == (["a", "b"], 2)
    assert store.rows.keys() == {"a", "b"}


def test_what_could_not_be_read_is_dead_lettered_as_it_is_stored_and_with_the_problem() -> None:
    (message,) = unpacked(batch(count=5, rest=b"rest"))
    unreadable = Received("crear-orden", TOPIC, message, Acknowledged())
    result = settled(committer(database()), [*group("a"), unreadable])
    assert (reasons(result), out(result)) == ({"": "unreadable"}, ["a"])
    (letter,) = [event for event in result.events if event.topic != OUT]
    assert letter.payload == b"rest"
    assert dict(letter.properties or {})["error.message"] == message.problem


def test_a_group_of_nothing_but_garbage_touches_no_database() -> None:
    store = database()
    store.fail("begin", 1000)
    result = settled(committer(store), group("bad 1", "bad 2"))
    assert reasons(result) == {"bad 1": "invalid", "bad 2": "invalid"}


def test_only_the_row_that_the_database_refuses_is_dead_lettered() -> None:
    store = database()
    store.server.refused.add("poison")
    result = settled(committer(store), group("a", "b", "poison", "c", "d"))
    assert reasons(result) == {"poison": "bug"}
    assert out(result) == ["a", "b", "c", "d"]
    assert store.rows.keys() == {"a", "b", "c", "d"}


def test_only_the_message_that_our_code_fails_on_is_dead_lettered_with_the_traceback() -> None:
    store = database()
    result = settled(committer(store), group("a", "bug 1", "b"))
    assert reasons(result) == {"bug 1": "bug"}
    (letter,) = [event for event in result.events if event.topic != OUT]
    assert "ZeroDivisionError: bug 1" in dict(letter.properties or {})["error.message"]
    assert store.rows.keys() == {"a", "b"}


PAYLOADS = st.lists(st.sampled_from(["a", "b", "c", "bad", "crash", "bug", "poison", "early"]), min_size=1, max_size=20)


@given(payloads=PAYLOADS)
def test_whatever_is_mixed_every_message_has_exactly_its_own_result(payloads: list[str]) -> None:
    store = database()
    store.server.refused.add("poison")
    result = settled(committer(store), group(*payloads))
    assert out(result) == [payload for payload in payloads if payload in "abc"]
    assert store.rows.keys() == {payload for payload in payloads if payload in "abc"}
    again = [event.key for event in result.events if event.topic == RETRY]
    assert again == [payload for payload in payloads if payload == "early"]
    letters = [event.key for event in result.events if event.topic == f"{TOPIC}-DLQ"]
    assert letters == [payload for payload in payloads if payload in ("bad", "crash", "bug", "poison")]
    assert result.rejected == len(letters)


@pytest.mark.parametrize("step", ["begin", "statement", "commit", "answer"])
def test_while_the_database_is_away_the_group_waits_and_then_goes_on(step: str) -> None:
    store, clock = database(), FakeClock()
    store.fail(step, 7)
    result = settled(committer(store, context=instance_context(clock=clock)), group("a", "b"))
    assert out(result) == ["a", "b"]
    assert store.rows.keys() == {"a", "b"}
    assert len(clock.waits) == 7
    assert all(0 < wait <= 2 for wait in clock.waits)


@pytest.mark.parametrize(("failures", "values"), [(3, []), (20, [1, -1])])
def test_that_the_database_stays_away_is_recorded_once_and_so_is_its_return(failures: int, values: list[int]) -> None:
    context, store = instance_context(), database()
    store.fail("begin", failures)
    settled(committer(store, context=context), group("a"))
    assert recorded(context, "stuck.database") == values


def test_an_outage_in_the_middle_of_the_search_for_a_bad_row_loses_nothing() -> None:
    for outage in range(12):
        store = database()
        store.server.refused.add("poison")
        before = 0

        def interrupted(transaction: Transaction, batch: Sequence[str], away: int = outage) -> Sequence[Outcome]:
            nonlocal before
            before += 1
            if before == away:
                raise Unavailable("away")
            return apply(transaction, batch)

        result = settled(committer(store, handler=Handler(decode, interrupted)), group("a", "poison", "b", "c"))
        assert reasons(result) == {"poison": "bug"}
        assert out(result) == ["a", "b", "c"]
        assert store.rows.keys() == {"a", "b", "c"}


def test_a_stop_while_waiting_leaves_the_group_undecided() -> None:
    store, clock = database(), FakeClock()
    store.fail("begin", 1000)
    context = instance_context(clock=clock)
    clock.on_wait = lambda _seconds: context.stopping.set()
    stage = committer(store, context=context)
    assert stage.commit(group("a", "bad", "b")) is None
    assert store.rows == {}


def test_a_stop_in_the_middle_of_the_search_for_a_bad_row_leaves_the_group_undecided() -> None:
    store, clock = database(), FakeClock()
    store.server.refused.add("poison")
    context = instance_context(clock=clock)
    clock.on_wait = lambda _seconds: context.stopping.set()

    def away_for_the_second_half(transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
        if batch[0] == "c":
            raise Unavailable("away")
        return apply(transaction, batch)

    stage = committer(store, handler=Handler(decode, away_for_the_second_half), context=context)
    assert stage.commit(group("a", "poison", "c", "d")) is None


def test_a_long_outage_is_no_hanging_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    store = database()
    store.fail("begin", 500)
    worker = Worker("commit", lambda: None, lambda: True, clock)
    worker.finished = False
    troubles = []
    clock.on_wait = lambda _seconds: troubles.append(worker.trouble(clock.now))
    worker.is_alive = lambda: True  # type: ignore[method-assign]
    context = instance_context(clock=clock)
    monkeypatch.setattr(context, "heartbeat", worker.heartbeat)
    settled(committer(store, context=context), group("a"))
    assert clock.now - 1000 > 2 * HANG_LIMIT_S
    assert set(troubles) == {""}


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_handler_with_the_wrong_number_of_outcomes_commits_nothing_of_it(number: int) -> None:
    store = database()

    def wrong(transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
        transaction.execute("keep", {"keys": batch})
        return [Done()] * (number if len(batch) > 1 else number + 5)

    result = settled(committer(store, handler=Handler(decode, wrong)), group("a", "b"))
    assert reasons(result) == {"a": "bug", "b": "bug"}
    assert store.rows == {}


@pytest.mark.parametrize("wrong", [None, "done", Ask("who is there to be asked?")])
def test_what_is_no_outcome_is_a_bug_of_its_message_and_never_acknowledged_as_done(wrong: Any) -> None:
    store = database()

    def forgetful(transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
        transaction.execute("keep", {"keys": batch})
        return [wrong if text == "a" else Done() for text in batch]

    result = settled(committer(store, handler=Handler(decode, forgetful)), group("a", "b"))
    assert reasons(result) == {"a": "bug"}
    assert store.rows.keys() == {"b"}


def test_an_event_that_is_not_of_bytes_and_texts_is_a_dead_letter_instead() -> None:
    def careless(_transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
        return [Done([Event(OUT, text, b"", {"version": 7})]) for text in batch]  # type: ignore[dict-item]

    result = settled(committer(database(), handler=Handler(decode, careless)), group("a"))
    assert reasons(result) == {"a": "bug"}


def test_an_early_message_is_looked_at_again_later_and_dead_lettered_after_the_last_attempt() -> None:
    stage = committer(database())
    properties: dict[str, str] = {}
    delays = []
    for attempt in (1, 2, 3):
        message = received(b"early", properties=properties, retried=attempt > 1)
        (event,) = settled(stage, [message]).events
        properties = dict(event.properties or {})
        delays.append((event.topic, event.delay_ms))
    assert delays == [(RETRY, 1000), (RETRY, 2000), (f"{TOPIC}-DLQ", 0)]
    assert (properties["error.type"], properties["attempt"]) == ("early", "3")


def test_an_early_message_too_big_for_a_retry_is_dead_lettered() -> None:
    message = received(b"early" + b"x" * 4_900_000)
    result = settled(committer(database()), [message])
    (event,) = result.events
    assert event.topic == f"{TOPIC}-DLQ"
    assert result.rejected == 1


def test_an_event_that_could_never_be_published_is_a_dead_letter_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_module, "MAX_EVENT_BYTES", 10)
    result = settled(committer(database()), group("a", "x" * 11))
    assert out(result) == ["a"]
    assert reasons(result) == {"x" * 11: "bug"}


def test_the_same_group_again_causes_the_same_events_and_changes_no_row() -> None:
    store = database()
    stage = committer(store)
    first = settled(stage, group("a", "bad", "b"))
    rows = dict(store.rows)
    assert settled(stage, group("a", "bad", "b")).events == first.events
    assert store.rows == rows


def test_a_handler_sees_only_what_decodes() -> None:
    seen: list[Sequence[str]] = []

    def look(_transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
        seen.append(list(batch))
        return [Done((Event(OUT, text, b""),)) for text in batch]

    store: FakeDatabase = database()
    settled(committer(store, handler=Handler(decode, look)), group("bad", "a", "crash", "b"))
    assert seen == [["a", "b"]]


def test_an_event_of_a_later_attempt_says_so_beside_its_payload() -> None:
    again = received(b"a", properties={"attempt": "3"}, retried=True)
    (event,) = settled(committer(database()), [again]).events
    (first,) = settled(committer(database()), [received(b"a")]).events
    assert (dict(event.properties or {})["attempt"], first.properties) == ("3", None)
    assert event.payload == first.payload


def test_after_a_message_that_broke_its_batch_groups_are_applied_in_parts_for_a_while() -> None:
    store = database()
    applied: list[int] = []

    def counted(transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
        applied.append(len(batch))
        return apply(transaction, batch)

    stage = committer(store, handler=Handler(decode, counted))
    settled(stage, group("bug"))
    parts = []
    for n in range(CAREFUL_GROUPS + 2):
        applied.clear()
        before = store.server.commits
        settled(stage, group(*(f"g{n} {m}" for m in range(4 * CAREFUL_PART))))
        assert store.server.commits == before + 1, "a group is one transaction, however many parts it has"
        parts.append(len(applied))
    assert parts[0] > 4, "small parts at first"
    assert parts[10:] == [4] * (CAREFUL_GROUPS - 10) + [1, 1], "larger ones while all goes well, then none"


def test_what_only_the_commit_refuses_is_found_in_transactions_of_its_own() -> None:
    """Fail like a constraint that is checked at the end of a transaction."""

    class Deferring(FakeDatabase):
        def pause(self, step: str) -> None:
            if step == "commit" and any(("kept", "refused later") in each.written for each in self.server.open):
                raise BadData("a deferred constraint")

    store = database(Deferring)
    result = settled(committer(store), group("a", "b", "refused later", "c"))
    assert reasons(result) == {"refused later": "bug"}
    assert out(result) == ["a", "b", "c"]
    assert store.rows.keys() == {"a", "b", "c"}


def test_a_bad_message_costs_little_more_than_its_part_when_there_was_one_before() -> None:
    applied: list[int] = []

    def counted(transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
        applied.append(len(batch))
        return apply(transaction, batch)

    stage = committer(database(), handler=Handler(decode, counted))
    payloads = ["bug", *(f"a {n}" for n in range(999))]
    for limit in (3000, 1300):
        applied.clear()
        result = settled(stage, group(*payloads))
        assert (len(out(result)), result.rejected) == (999, 1)
        assert sum(applied) < limit
