"""Each planted bug still fits the code that it is planted in."""

from pathlib import Path

import pytest

from tests.planted_bugs.__main__ import chosen, planted
from tests.planted_bugs.bugs import BUGS, Bug
from tests.planted_bugs.planting import Change, Code, NotThereError, Query, changed

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_can_be_planted_and_what_it_makes_is_python(bug: Bug) -> None:
    changed = planted(bug)
    assert changed
    for path, text in changed.items():
        assert text != path.read_text(encoding="utf-8")
        if path.suffix == ".py":
            compile(text, str(path), "exec")


def test_each_bug_has_a_name_of_its_own_and_there_are_enough() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 25


def test_the_documents_say_how_many_there_are() -> None:
    assert f"puts each of {len(BUGS)} bugs into" in (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_without_a_name_every_bug_is_planted() -> None:
    assert chosen([]) == list(BUGS)
    assert chosen([BUGS[1].name]) == [BUGS[1]]
    with pytest.raises(SystemExit, match="no such bug: none"):
        chosen(["none"])


MODULE = """
class Stage:
    def step(self):
        self.taken = take(  # as they come
            self.inbox, most=3
        )
        return again() or again()
"""
QUERIES = "-- name: one\nSELECT a\n\nFROM t\n-- name: two\nSELECT b\nFROM t\n"


def test_a_change_is_made_however_the_code_is_broken_into_lines_and_its_capital_letters_stand_for_anything(
    tmp_path: Path,
) -> None:
    (tmp_path / "moved").mkdir()
    (tmp_path / "moved" / "stage.py").write_text(MODULE)
    (tmp_path / "moved" / "queries.sql").write_text(QUERIES)
    made = changed(
        (
            Code("moved", "Stage.step", "self.X = take(Y, most=3)", "self.X = take(Y, most=4)\nprint(self.X)"),
            Query("moved", "two", "SELECT b FROM", "SELECT c FROM"),
        ),
        tmp_path,
    )
    code = made[tmp_path / "moved" / "stage.py"]
    assert "self.taken = take(self.inbox, most=4)\n        print(self.taken)\n" in code
    assert made[tmp_path / "moved" / "queries.sql"] == QUERIES.replace("SELECT b\nFROM", "SELECT c FROM")


@pytest.mark.parametrize(
    ("change", "times"),
    [
        (Code("stage.py", "Stage.step", "again()", "once()"), 2),
        (Code("stage.py", "Stage.step", "elsewhere()", "once()"), 0),
        (Code("stage.py", "Stage.leap", "take(X, most=3)", "once()"), 0),
        (Code("stage.py", "Stage.step", "X = X", "once()"), 0),
    ],
)
def test_a_change_that_can_not_be_made_or_in_several_places_names_file_and_function(
    tmp_path: Path, change: Change, times: int
) -> None:
    (tmp_path / "stage.py").write_text(MODULE)
    with pytest.raises(NotThereError, match=rf"^this is there {times} times, not once: stage.py: Stage\."):
        changed((change,), tmp_path)
