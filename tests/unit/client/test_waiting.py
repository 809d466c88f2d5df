"""Which inputs nothing waits in: timers, however many, are no reason to wait for."""

from collections.abc import Sequence
from typing import Any

import pytest

from client.reconcile import timers
from client.reconcile.rules import DOWNSTREAM, ORDENES_RETRIES, UPDATES, Input
from client.reconcile.timers import Cursor
from client.reconcile.waiting import idle_inputs
from client.topic_reader import Position
from tests.unit.client.fake_pulsar import FakePulsar, Sent

RETRIES = ORDENES_RETRIES.topic


def timer(entry: int, ledger: int = 1) -> Sent:
    return Sent(entry, f"vencer:{entry}", ledger=ledger)


def broker(
    messages: Sequence[Sent], *, waiting: int, mark: str = "1:-1", acknowledged: str = "[]", read: bool = True
) -> FakePulsar:
    """Give a broker in which nothing waits but this among the retries of Ordenes."""
    answers: dict[str, Any] = {
        f"{topic}/partitioned-stats?getPreciseBacklog=true": {
            "msgInCounter": 0,
            "subscriptions": {function: {"msgBacklog": waiting if topic == RETRIES else 0}},
        }
        for topic, function in DOWNSTREAM
    }
    cursor = {"markDeletePosition": mark, "individuallyDeletedMessages": acknowledged}
    answers[f"{RETRIES}-partition-0/internalStats"] = {"cursors": {"ordenes": cursor} if read else {}}
    return FakePulsar({RETRIES: messages}, answers)


def busy(pulsar: Any) -> set[Input]:
    return set(DOWNSTREAM) - idle_inputs(pulsar, pulsar)


def test_where_nothing_waits_nothing_is_read() -> None:
    pulsar = broker([timer(0)], waiting=0, mark="1:0")
    assert busy(pulsar) == set()
    assert pulsar.opened == []


@pytest.mark.parametrize("count", [1, 7])
def test_timers_are_nothing_that_waits_however_many_there_are(count: int) -> None:
    assert busy(broker([timer(n) for n in range(count)], waiting=count)) == set()


def test_one_retry_among_timers_waits() -> None:
    messages = [timer(0), timer(1), Sent(2, "an-order"), timer(3)]
    assert busy(broker(messages, waiting=4)) == {ORDENES_RETRIES}


def test_what_is_acknowledged_does_not_wait() -> None:
    messages = [
        Sent(0, "a"),
        timer(1),
        Sent(2, "b"),
        Sent(3, "c"),
        timer(4),
        Sent(0, "d", ledger=9),
        timer(1, ledger=9),
    ]
    acknowledged = "[(1:1..1:3],(9:-1..9:0]]"
    assert busy(broker(messages, waiting=3, mark="1:0", acknowledged=acknowledged)) == set()
    assert busy(broker(messages, waiting=4, mark="1:0", acknowledged="[(1:2..1:3],(9:-1..9:0]]")) == {ORDENES_RETRIES}


def test_a_batch_of_timers_is_one_that_waits() -> None:
    batch = [Sent(5, "vencer:1", batch=0), Sent(5, "vencer:2", batch=1)]
    assert busy(broker(batch, waiting=1)) == set()
    assert busy(broker(batch, waiting=2)) == {ORDENES_RETRIES}, "something waits that was not found"


def test_a_key_that_is_no_text_is_no_timers() -> None:
    assert busy(broker([timer(0), Sent(1, None)], waiting=2)) == {ORDENES_RETRIES}


def test_what_nobody_ever_read_waits() -> None:
    assert busy(broker([timer(0)], waiting=1, read=False)) == {ORDENES_RETRIES}


def test_too_much_to_read_counts_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timers, "MOST_READ", 3)
    assert busy(broker([timer(n) for n in range(4)], waiting=4)) == {ORDENES_RETRIES}


def test_other_inputs_are_judged_by_their_count() -> None:
    pulsar = broker([], waiting=0)
    pulsar.answers[f"{UPDATES.topic}/partitioned-stats?getPreciseBacklog=true"] = {
        "msgInCounter": 0,
        "subscriptions": {"reporting": {"msgBacklog": 1}},
    }
    assert busy(pulsar) == {UPDATES}


def test_a_cursor_is_read_as_pulsar_writes_it() -> None:
    assert Cursor.parse("12:3", "[]") == Cursor(Position(12, 3), [], [])
    cursor = Cursor.parse("12:3", "[(12:5..12:7],(12:9..13:2]]")
    places = [(12, 3), (12, 4), (12, 5), (12, 6), (12, 7), (12, 8), (12, 9), (13, 0), (13, 2), (13, 3)]
    waiting = [place for place in places if not cursor.acknowledged(Position(*place))]
    assert waiting == [(12, 4), (12, 5), (12, 8), (12, 9), (13, 3)]
