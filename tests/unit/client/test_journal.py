"""A run's notes: what they survive, and what they refuse."""

import json
import random
from pathlib import Path

import pytest

from client.errors import JournalError
from client.journal import CONFIRMED, ENDED, Journal
from client.plan import Plan, from_json
from terminal.errors import OutputError

PLAN = Plan(1_000, seed=7)


def begun(path: Path) -> Journal:
    return Journal(path, PLAN.as_json())


def test_a_run_is_continued_with_its_plan_and_without_what_is_done(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with begun(path) as journal:
        for number in (3, 1, 2, 7):
            journal.note(ENDED, number)
        journal.write()
        journal.note(ENDED, 8)
        journal.note(CONFIRMED, 9)
    with Journal(path) as again:
        assert from_json(again.plan, path) == PLAN
        assert again.done_for(follow=True) == {1, 2, 3, 7, 8}
        assert again.done_for(follow=False) == {1, 2, 3, 7, 8, 9}


def test_a_file_that_is_cut_anywhere_loses_notes_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "run"
    numbers = random.Random(1).sample(range(1_000), 300)
    with begun(path) as journal:
        for start in range(0, 300, 30):
            for number in numbers[start : start + 30]:
                journal.note(ENDED, number)
            journal.write()
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    for end in random.Random(2).sample(range(first_line, len(whole)), 60):
        path.write_bytes(whole[:end])
        with Journal(path) as cut:
            done = cut.done_for(follow=True)
            assert done <= set(numbers)
            assert len(done) == 30 * (whole[first_line:end].count(b"\n"))
            cut.note(ENDED, 999)
        with Journal(path) as again:
            assert again.done_for(follow=True) == done | {999}


def test_a_plan_is_not_sent_by_the_notes_of_another(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with begun(path):
        pass
    begun(path).__exit__()
    with pytest.raises(JournalError, match="Another run has begun"):
        Journal(path, Plan(1_000, seed=8).as_json())


def test_a_second_process_can_not_use_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with begun(path), pytest.raises(JournalError, match="Another run is using"):
        Journal(path)


@pytest.mark.parametrize(
    "content",
    [
        "id,address\na,b\n",
        "{}\n",
        "no line",
        '{"alpes_send":2,"plan":{}}\n',
        "[]\n",
        "[" * 200_000 + "\n",
        '{"alpes_send":1,"plan":{"orders":Infinity}}\n{"ended":[[0,1]]}\n',
    ],
    ids=["CSV", "an empty object", "half a line", "another version", "a list", "nested", "no number"],
)
def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path, content: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(content)
    with pytest.raises(JournalError, match=r"is no file that --resume wrote"):
        Journal(path)
    assert path.read_text() == content


def test_a_line_that_is_broken_in_the_middle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with begun(path) as journal:
        journal.note(ENDED, 1)
    content = path.read_bytes() + b'{"ended":[[2,\n{"ended":[[3,3]]}\n'
    path.write_bytes(content)
    with pytest.raises(JournalError, match="from here on"):
        Journal(path)
    assert path.read_bytes() == content


def test_an_empty_file_is_begun(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.touch()
    with begun(path) as journal:
        journal.note(ENDED, 1)
    with Journal(path) as again:
        assert again.done_for(follow=True) == {1}


def test_a_place_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="Can't write"):
        begun(tmp_path / "nowhere" / "run")


def test_orders_that_another_faker_made_are_not_sent_again(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="whose addresses may differ"):
        from_json(PLAN.as_json() | {"faker": "1.0"}, tmp_path)
    with pytest.raises(JournalError, match="another release"):
        from_json(PLAN.as_json() | {"later": 1}, tmp_path)
    with pytest.raises(JournalError, match="another release"):
        from_json(PLAN.as_json() | {"orders": "x"}, tmp_path)


def test_numbers_beyond_the_plan_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with begun(path):
        pass
    with path.open("a") as file:
        file.write(json.dumps({"ended": [[0, 10**15]]}) + "\n")
    with Journal(path) as journal:
        assert len(journal.done_for(follow=True)) <= 1_001
