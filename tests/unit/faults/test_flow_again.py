"""From when on orders end again after a fault on the cluster, by what was seen of them."""

from tests.cluster.trial import pauses
from tests.faults.probes import Sample


def seen(*ended: int, waiting: int = 5) -> list[Sample]:
    """One sample a second from second 100 on, with orders under way."""
    return [Sample(100.0 + second, number + waiting, number) for second, number in enumerate(ended)]


def test_a_flow_without_a_pause_was_never_away() -> None:
    assert pauses(seen(1, 2, 3, 4, 5), since=102.0) == (1, 0)


def test_the_last_pause_counts_also_if_it_began_before() -> None:
    assert pauses(seen(1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 4), since=101.5) == (5, 7.5)


def test_pauses_that_were_over_before_and_short_ones_do_not_count() -> None:
    assert pauses(seen(1, 1, 1, 1, 2, 3, 3, 4, 5), since=104.5) == (4, 0)


def test_a_time_in_which_nothing_was_under_way_is_no_pause() -> None:
    assert pauses(seen(1, 1, 1, 1, 1, 2, waiting=0), since=100.0) == (1, 0)
