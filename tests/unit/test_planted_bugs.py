"""The list of planted bugs, held against the code that they are planted in: it must not rot."""

from pathlib import Path

import pytest

from tests.planted_bugs.__main__ import chosen, planted
from tests.planted_bugs.bugs import BUGS, Bug

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
    assert f"| {len(BUGS)} bugs, each put into" in (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")


def test_without_a_name_every_bug_is_planted() -> None:
    assert chosen([]) == list(BUGS)
    assert chosen([BUGS[1].name]) == [BUGS[1]]
    with pytest.raises(SystemExit, match="no such bug: none"):
        chosen(["none"])
