"""Percentiles and rates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.stats import latency_percentiles, per_second, percentile


@pytest.mark.parametrize(("percent", "expected"), [(1, 1), (50, 50), (95, 95), (99, 99), (100, 100)])
def test_the_percentiles_of_one_to_a_hundred_are_themselves(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(1, 101)], percent) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.1, 100))
def test_a_percentile_is_the_smallest_value_that_covers_the_share(values: list[float], percent: float) -> None:
    found = percentile(sorted(values), percent)
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-9
    assert sum(value < found for value in values) < len(values) * percent / 100


@pytest.mark.parametrize("percent", [0, -1, 100.1])
def test_a_percentile_out_of_range_is_refused(percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile([1.0], percent)


def test_nothing_measured_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)
    assert latency_percentiles([]) is None


def test_latencies_need_no_order() -> None:
    assert latency_percentiles([3.0, 1.0, 2.0]) == {"p50": 2.0, "p95": 3.0, "p99": 3.0}


def test_a_rate_counts_over_the_span() -> None:
    assert per_second(100, 1_000_000_000, 3_000_000_000) == 50.0


@pytest.mark.parametrize(("count", "start", "end"), [(0, 1, 2), (1, None, 2), (1, 1, None), (1, 2, 2)])
def test_no_span_has_no_rate(count: int, start: int | None, end: int | None) -> None:
    assert per_second(count, start, end) is None
