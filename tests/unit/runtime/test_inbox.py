"""Received messages wait in bounded lanes, the most urgent first."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import _inbox as module
from alpes_runtime._inbox import Inbox
from alpes_runtime._message import Received
from tests.unit.runtime.parts import received

URGENT, PLAIN = "transaccion-creada", "crear-orden"


def message(role: str, payload: bytes = b"a") -> Received:
    return received(payload, role=role)


def inbox(capacity: int = 10) -> Inbox:
    return Inbox([URGENT, PLAIN], capacity)


def test_what_finishes_orders_is_taken_before_what_came_earlier() -> None:
    box = inbox()
    new, final = message(PLAIN), message(URGENT)
    box.put([new], 0)
    box.put([final], 0)
    assert box.take(10, 0) == [final]
    assert box.take(10, 0) == [new]


def test_a_group_is_all_that_came_in_meanwhile() -> None:
    box = inbox()
    messages = [message(PLAIN) for _ in range(5)]
    for each in messages:
        box.put([each], 0)
    assert box.take(10, 0) == messages


def test_a_lone_message_waits_for_no_company() -> None:
    box = inbox()
    lone = message(PLAIN)
    box.put([lone], 0)
    assert box.take(1000, 0) == [lone]


def test_a_group_has_no_more_than_asked_for() -> None:
    box = inbox()
    box.put([message(PLAIN) for _ in range(7)], 0)
    assert [len(box.take(3, 0)) for _ in range(4)] == [3, 3, 1, 0]


def test_a_role_whose_next_stage_is_full_is_passed_over_until_it_has_room() -> None:
    full = True
    box = Inbox([URGENT, PLAIN], 10, holds={URGENT: lambda: full})
    held, plain = message(URGENT), message(PLAIN)
    box.put([held], 0)
    assert box.take(10, 0) == []
    box.put([plain], 0)
    assert box.take(10, 0) == [plain]
    full = False
    assert box.take(10, 0) == [held]


def test_who_waits_is_woken_when_there_is_room_again() -> None:
    room = threading.Event()
    box = Inbox([PLAIN], 10, holds={PLAIN: lambda: not room.is_set()})
    box.put([message(PLAIN)], 0)
    taken: list[list[Received]] = []
    waiter = threading.Thread(target=lambda: taken.append(box.take(10, 30)))
    waiter.start()
    room.set()
    box.look_again()
    waiter.join(5)
    assert len(taken[0]) == 1


def test_nothing_is_taken_of_a_role_that_was_shut_and_its_lane_fills_up() -> None:
    box = inbox(capacity=2)
    box.shut(PLAIN)
    box.put([message(PLAIN)] * 2, 0)
    other = message(URGENT)
    box.put([other], 0)
    assert box.take(10, 0) == [other]
    assert box.take(10, 0) == []
    assert not box.put([message(PLAIN)], 0)


def test_a_role_with_a_bound_of_its_own_is_taken_in_smaller_groups() -> None:
    box = Inbox([URGENT, PLAIN], 10, {PLAIN: 1})
    box.put([message(PLAIN), message(PLAIN)], 0)
    box.put([message(URGENT), message(URGENT)], 0)
    assert [len(box.take(10, 0)) for _ in range(3)] == [2, 1, 1]


def test_a_full_lane_takes_no_more_and_the_other_lane_does() -> None:
    box = inbox(capacity=2)
    assert box.put([message(PLAIN), message(PLAIN)], 0)
    assert not box.put([message(PLAIN)], 0)
    assert box.put([message(URGENT)], 0)
    assert len(box) == 3


def test_a_group_enters_whole_as_soon_as_its_lane_has_room() -> None:
    box = inbox(capacity=2)
    box.put([message(PLAIN)], 0)
    assert box.put([message(PLAIN) for _ in range(2)], 0)
    assert len(box) == 3


def test_room_is_made_by_taking() -> None:
    box = inbox(capacity=1)
    box.put([message(PLAIN)], 0)
    late = message(PLAIN)
    entered = []
    thread = threading.Thread(target=lambda: entered.append(box.put([late], 5)))
    thread.start()
    box.take(1, 1)
    thread.join(5)
    assert entered == [True]
    assert box.take(1, 0) == [late]


def test_one_message_can_be_forced_into_a_full_lane() -> None:
    box = inbox(capacity=1)
    box.put([message(PLAIN)], 0)
    box.force_put(message(PLAIN))
    assert len(box) == 2


def test_messages_of_several_roles_in_one_group_each_go_to_their_lane() -> None:
    box = inbox()
    new, final = message(PLAIN), message(URGENT)
    box.put([new, final], 0)
    assert box.take(10, 0) == [final]
    assert box.take(10, 0) == [new]


def test_a_group_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GROUP_BYTES", 10)
    box = inbox()
    box.put([message(PLAIN, b"1234") for _ in range(5)], 0)
    assert [len(box.take(10, 0)) for _ in range(3)] == [2, 2, 1]


def test_a_message_over_the_bound_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_GROUP_BYTES", 10)
    box = inbox()
    box.put([message(PLAIN, b"1"), message(PLAIN, b"x" * 50), message(PLAIN, b"2")], 0)
    assert [[m.data for m in box.take(10, 0)] for _ in range(3)] == [[b"1"], [b"x" * 50], [b"2"]]


def test_a_lane_is_bounded_in_bytes_whatever_their_number_and_the_other_lane_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LANE_BYTES", 100)
    box = inbox(1000)
    assert box.put([message(PLAIN, b"x" * 99)], 0)
    assert box.put([message(PLAIN, b"x" * 99)], 0)
    assert not box.put([message(PLAIN)], 0)
    assert box.put([message(URGENT)], 0)
    box.take(10, 0)
    box.take(1, 0)
    assert box.put([message(PLAIN)], 0)


def test_a_message_over_every_bound_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LANE_BYTES", 100)
    monkeypatch.setattr(module, "MAX_GROUP_BYTES", 100)
    box = inbox()
    big = message(PLAIN, b"x" * 1000)
    assert box.put([big], 0)
    assert not box.put([big], 0)
    assert box.take(10, 0) == [big]
    assert box.put([big], 0)


def test_a_closed_inbox_gives_nothing_and_takes_nothing() -> None:
    box = inbox()
    box.put([message(PLAIN)], 0)
    box.close()
    assert box.take(10, 60) == []
    assert not box.put([message(PLAIN)], 60)


def test_closing_lets_go_whoever_waits() -> None:
    box = inbox()
    taken: list[list[Received]] = []
    thread = threading.Thread(target=lambda: taken.append(box.take(1, 30)))
    thread.start()
    box.close()
    thread.join(5)
    assert taken == [[]]


Step = tuple[str, int]
STEPS = st.lists(st.tuples(st.sampled_from(["put urgent", "put plain", "force", "take"]), st.integers(1, 7)))


@given(steps=STEPS, capacity=st.integers(1, 6))
def test_nothing_is_lost_or_doubled_and_each_lane_keeps_its_order(steps: list[Step], capacity: int) -> None:
    box = inbox(capacity)
    entered: dict[str, list[Received]] = {URGENT: [], PLAIN: []}
    left: dict[str, list[Received]] = {URGENT: [], PLAIN: []}
    for kind, number in steps:
        if kind == "take":
            group = box.take(number, 0)
            assert len(group) <= number
            assert len({each.role for each in group}) <= 1
            for each in group:
                left[each.role].append(each)
        elif kind == "force":
            each = message(PLAIN)
            box.force_put(each)
            entered[PLAIN].append(each)
        else:
            role = URGENT if kind == "put urgent" else PLAIN
            messages = [message(role) for _ in range(number)]
            if box.put(messages, 0):
                entered[role] += messages
    while group := box.take(3, 0):
        left[group[0].role] += group
    assert left == entered


def test_a_retry_of_a_shut_role_does_not_hold_up_the_timers_behind_it() -> None:
    box = inbox(capacity=1)
    box.shut(PLAIN)
    box.put([message(PLAIN)], 0)
    timer = message(URGENT)
    assert box.put([received(b"a", role=PLAIN, retried=True), timer], 0)
    assert box.take(10, 0) == [timer]
