"""A bad deployment stops an input instead of emptying it; bad messages never do."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime._halt import FEWEST_BUGS, WINDOW, BugShare
from alpes_runtime._message import Received
from tests.unit.runtime.parts import committer, database, received


def group(word: str, number: int) -> list[Received]:
    return [received(f"{word} {n}".encode()) for n in range(number)]


def test_when_most_fails_for_a_bug_the_group_is_withheld_and_the_input_shut(caplog: pytest.LogCaptureFixture) -> None:
    halted: list[str] = []
    stage = committer(database(), on_halt=halted.append)
    with caplog.at_level(logging.CRITICAL):
        assert stage.commit([*group("bug", 30), *group("a", 10)]) is None
    assert halted == ["crear-orden"]
    (line,) = caplog.messages
    assert line.startswith("HALTED: most of crear-orden fails for a bug")
    assert "ZeroDivisionError: bug 29" in line


def test_a_decoder_that_crashes_at_everything_counts_too() -> None:
    halted: list[str] = []
    assert committer(database(), on_halt=halted.append).commit(group("crash", 40)) is None
    assert halted == ["crear-orden"]


@pytest.mark.parametrize("word", ["bad", "early"], ids=["invalid", "early"])
def test_messages_that_are_refused_in_so_many_words_never_stop_anything(word: str) -> None:
    halted: list[str] = []
    stage = committer(database(), on_halt=halted.append)
    for _ in range(5):
        assert stage.commit(group(word, 500)) is not None
    assert halted == []


def test_some_bugs_among_many_messages_are_dead_lettered_one_by_one() -> None:
    halted: list[str] = []
    stage = committer(database(), on_halt=halted.append)
    settled = stage.commit([*group("bug", 40), *group("a", 60)])
    assert settled is not None
    assert settled.rejected == 40
    assert halted == []


def test_one_at_a_time_no_more_than_a_few_are_dead_lettered_before_it_stops() -> None:
    stage = committer(database())
    settled = [stage.commit(group("bug", 1)) for _ in range(FEWEST_BUGS + 5)]
    assert [each is not None for each in settled] == [True] * (FEWEST_BUGS - 1) + [False] * 6


def test_the_inputs_of_a_function_are_judged_apart() -> None:
    halted: list[str] = []
    stage = committer(database(), on_halt=halted.append)
    stage.commit(group("bug", 19))
    assert stage.commit([received(b"bug", role="transaccion-creada")]) is not None
    assert halted == []


@given(groups=st.lists(st.lists(st.booleans(), max_size=150), max_size=20))
def test_it_stops_exactly_when_bugs_are_the_larger_part_of_a_group_and_what_came_before(
    groups: list[list[bool]],
) -> None:
    share, seen = BugShare(), list[bool]()
    for each in groups:
        judged = seen[-WINDOW:] + each
        assert share.exceeded(each) == (sum(judged) >= FEWEST_BUGS and sum(judged) > len(judged) / 2)
        seen += each
