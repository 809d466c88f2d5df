"""When orders are due, on a clock that the test moves."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.pacing import Bursts, Constant, Pace, Ramp


def sent_each_second(pace: Pace, orders: int) -> list[int]:
    """Return how many orders a sender that follows the pace sends in each second of a simulated clock."""
    now_s, seconds = 0.0, Counter[int]()
    for number in range(orders):
        now_s = max(now_s, pace.due_s(number))
        seconds[int(now_s)] += 1
    return [seconds[second] for second in range(max(seconds) + 1)]


def test_a_constant_rate_is_the_same_in_every_second() -> None:
    assert sent_each_second(Constant(50), 250) == [50] * 5


def test_a_ramp_rises_evenly() -> None:
    ramp = Ramp(10, 110, 10)
    each = sent_each_second(ramp, ramp.within(10))
    assert sum(each) == 600
    assert all(abs(count - (15 + 10 * second)) <= 1 for second, count in enumerate(each))


def test_a_ramp_falls_to_nothing_and_ends() -> None:
    ramp = Ramp(100, 0, 10)
    assert ramp.within(10) == 500
    assert sent_each_second(ramp, 500)[0] > 90
    assert ramp.due_s(499) < 10


def test_a_burst_comes_at_once_and_then_nothing() -> None:
    bursts = Bursts(500, 10)
    assert bursts.within(21) == 1500
    each = sent_each_second(bursts, 1500)
    assert {second: count for second, count in enumerate(each) if count} == {0: 500, 10: 500, 20: 500}


rates = st.floats(0.5, 5_000)


@given(
    st.one_of(
        st.builds(Constant, rates),
        st.builds(Ramp, rates, rates, st.floats(1, 1_000)),
        st.builds(Ramp, st.just(0.0), rates, st.floats(1, 1_000)),
        st.builds(Bursts, st.integers(1, 1_000), st.floats(0.1, 100)),
    ),
    st.floats(0.1, 50),
)
def test_what_is_due_within_a_time_is_due_in_that_time_and_in_order(pace: Pace, share: float) -> None:
    seconds = min(share, pace.length_s) if isinstance(pace, Ramp) else share
    count = pace.within(seconds)
    due = [pace.due_s(number) for number in range(min(count, 300))]
    assert due == sorted(due)
    assert not due or due[0] == 0
    if count:
        assert pace.due_s(count - 1) <= seconds * (1 + 1e-9)
    assert pace.due_s(count) == pytest.approx(max(pace.due_s(count), seconds), rel=1e-6, abs=1e-9) or isinstance(
        pace, Ramp
    )
