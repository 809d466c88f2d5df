"""Folding a topic of changes, as Reporting's table folds it."""

from hypothesis import given
from hypothesis import strategies as st

from client.rebuild.reporting import Fold
from schemas.tienda.cambios import Cambio

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
    fold = Fold()
    for change in changes:
        fold.add(change)
    for change in fold.newest.values():
        same = [other for other in changes if other.id == change.id]
        highest = max(other.version for other in same)
        assert change == next(other for other in same if other.version == highest)
    assert fold.newest.keys() == {change.id for change in changes}


@given(CHANGES)
def test_what_was_taken_is_not_given_again(changes: list[Cambio]) -> None:
    fold = Fold()
    for change in changes:
        fold.add(change)
    assert {change.id for change in fold.take()} == {change.id for change in changes}
    assert list(fold.take()) == []
