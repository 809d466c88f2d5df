"""A topic of changes is folded as Reporting's table folds it, and a rebuild is described."""

from contextlib import nullcontext
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from client.cli import alpes
from operations.commands import rebuild
from operations.rebuild.reporting import Rebuilt
from schemas.tienda.cambios import Cambio, Newest

CHANGES = st.lists(
    st.builds(
        Cambio,
        st.sampled_from("abc"),
        st.integers(0, 9),
        st.just("aprobada"),
        st.integers(0, 9),
        st.just("USD"),
        st.integers(1, 4),
        st.just(1),
        st.just(1),
    )
)


@given(CHANGES)
def test_each_orders_highest_version_stays_and_of_equals_the_first(changes: list[Cambio]) -> None:
    fold = Newest()
    for change in changes:
        fold.add(change)
    newest = {change.id: change for change in fold.take()}
    for change in newest.values():
        same = [other for other in changes if other.id == change.id]
        highest = max(other.version for other in same)
        assert change == next(other for other in same if other.version == highest)
    assert newest.keys() == {change.id for change in changes}


@given(CHANGES)
def test_what_was_taken_is_not_given_again(changes: list[Cambio]) -> None:
    fold = Newest()
    for change in changes:
        fold.add(change)
    assert {change.id for change in fold.take()} == {change.id for change in changes}
    assert list(fold.take()) == []


def run(monkeypatch: pytest.MonkeyPatch, left: int, newer: int, *options: str) -> tuple[int, str]:
    """Run a rebuild that keeps so many rows."""

    class Work:
        def __init__(self, *_: Any) -> None:
            pass

        def run(self, *, whole: bool, dry_run: bool) -> Rebuilt:
            del whole, dry_run
            return Rebuilt(9, 0, 8, 0, 1, 0, left, newer, 0, 1.0, 0.1)

    monkeypatch.setattr(rebuild, "ReportingRebuild", Work)
    for name in ("connected", "database"):
        monkeypatch.setattr(rebuild, name, lambda *_, **__: nullcontext())
    done = CliRunner().invoke(alpes, ["rebuild", "reporting", *options], prog_name="alpes")
    return done.exit_code, done.stdout


@pytest.mark.parametrize(("left", "newer"), [(3, 0), (0, 2), (3, 2)])
def test_rows_that_were_left_are_told_with_what_removes_them_and_are_the_exit_code(
    left: int, newer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out = run(monkeypatch, left, newer)
    assert code == 1
    assert f"left   {left} without an event, {newer} newer than their events: the table differs" in out
    assert "--remove-unknown removes these rows" in out
    code, out = run(monkeypatch, left, newer, "--dry-run")
    assert (code, "the table would differ" in out) == (1, True)
    assert run(monkeypatch, left, newer, "--json")[0] == 1


def test_a_table_that_is_what_its_topic_tells_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    code, out = run(monkeypatch, 0, 0)
    assert code == 0
    assert "left" not in out
