"""What an instance remembers beyond its death."""

import errno
import os
from pathlib import Path

import pytest

from alpes_runtime._deaths import MOST_TOPICS, WITHIN_S, Deaths, file_of
from alpes_wire import MessageId


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deaths.json"


def test_an_end_in_good_order_leaves_nothing(path: Path) -> None:
    for _ in range(4):
        deaths = Deaths(path)
        assert path.exists()
        assert deaths.begin("a")
        deaths.hand_out("t", MessageId(3, 4))
        deaths.close()
        assert list(path.parent.iterdir()) == []
        assert deaths.lot == 0
    assert Deaths(path).deaths("a") == 0


def test_deaths_are_counted_and_an_end_in_good_order_starts_anew(path: Path) -> None:
    assert [Deaths(path).recent for _ in range(3)] == [0, 1, 2]
    Deaths(path).close()
    assert Deaths(path).recent == 0


def test_with_each_death_less_is_worked_on_at_once(path: Path) -> None:
    lots = [Deaths(path).lot for _ in range(6)]
    assert lots[:2] == [0, 0], "one death may have any reason"
    assert lots[2:] == sorted(lots[2:], reverse=True)
    assert lots[-1] == 1


def test_what_was_worked_on_alone_is_known(path: Path) -> None:
    for _ in range(2):
        Deaths(path)
    third = Deaths(path)
    assert third.begin("a")
    assert not third.begin("b"), "one at a time"
    fourth = Deaths(path)
    assert (fourth.deaths("a"), fourth.deaths("b")) == (1, 0)
    assert fourth.begin("a")
    fourth.end("a")
    assert fourth.begin("b")
    fifth = Deaths(path)
    assert (fifth.deaths("a"), fifth.deaths("b")) == (1, 1)


def test_the_highest_place_that_was_handed_out_is_known_of_each_topic(path: Path) -> None:
    first = Deaths(path)
    for topic, ledger, entry in (("t", 1, 9), ("u", 7, 7), ("t", 2, 0), ("t", 1, 10)):
        first.hand_out(topic, MessageId(ledger, entry))
    second = Deaths(path)
    assert (second.in_hand("t"), second.in_hand("u"), second.in_hand("v")) == ((2, 0), (7, 7), (-1, -1))
    second.hand_out("t", MessageId(1, 3))
    third = Deaths(path)
    assert (third.in_hand("t"), third.in_hand("u")) == ((1, 3), (-1, -1)), "only the last life counts"


def test_more_topics_than_there_is_room_for_are_not_known(path: Path) -> None:
    deaths = Deaths(path)
    for n in range(MOST_TOPICS + 5):
        deaths.hand_out(f"t{n}", MessageId(1, n + 1))
    after = Deaths(path)
    assert [after.in_hand(f"t{n}") for n in (0, MOST_TOPICS - 1, MOST_TOPICS)] == [(1, 1), (1, MOST_TOPICS), (-1, -1)]


def test_deaths_of_long_ago_do_not_count(path: Path) -> None:
    for _ in range(4):
        Deaths(path, lambda: 1_000.0).begin("a")
    later = Deaths(path, lambda: 1_000.0 + WITHIN_S)
    assert later.lot == 0
    assert later.deaths("a") == 1, "only the last death counts"


BROKEN = ["", "[]", "\0", '{"at": [1], "at_work": 1}', '{"at": ["x"], "at_work": "", "by_place": {}}']


@pytest.mark.parametrize("left", BROKEN)
def test_whatever_lies_there_counts_as_one_death(path: Path, left: str) -> None:
    path.write_text(left)
    path.with_suffix(".places").write_text(left)
    assert Deaths(path).lot == 0
    assert Deaths(path).lot > 0


def test_where_nothing_can_be_written_nothing_is_remembered(tmp_path: Path) -> None:
    for path in (None, tmp_path / "no" / "such.json"):
        for deaths in (Deaths(path), Deaths(path), Deaths(path)):
            assert deaths.begin("a")
            deaths.hand_out("t", MessageId(1, 1))
            assert (deaths.lot, deaths.in_hand("t")) == (0, (-1, -1))
            deaths.close()


def test_on_a_full_disk_it_does_without(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    deaths = Deaths(path)
    deaths.hand_out("t", MessageId(1, 1))
    assert deaths.in_hand("t") == (-1, -1)


def test_a_link_that_somebody_else_left_is_not_written_through(tmp_path: Path, path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("kept")
    path.with_suffix(".new").symlink_to(theirs)
    Deaths(path)
    assert theirs.read_text() == "kept"


def test_instances_have_files_of_their_own() -> None:
    files = {file_of(url, function, instance) for url in "ab" for function in "cd" for instance in "01"}
    assert len(files) == 8
