"""Latencies on data whose percentiles are known."""

import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from bench.histogram import Latencies, name


def near(value: float) -> object:
    # Three significant digits.
    return pytest.approx(value, rel=0.001, abs=1)


def test_percentiles_of_a_known_row() -> None:
    found = Latencies(range(1, 100_001))
    assert found.count == 100_000
    assert [found.at(p) for p in (50, 90, 99, 99.9, 100)] == [
        near(v) for v in (50_000, 90_000, 99_000, 99_900, 100_000)
    ]


def test_one_slow_order_in_a_thousand_shows_beyond_the_999_only() -> None:
    found = Latencies([1_000] * 999 + [5_000_000])
    assert found.at(99.0) == near(1_000)
    assert found.at(99.9) == near(1_000)
    assert found.at(100) == near(5_000_000)


def test_zero_is_a_latency_and_less_is_none() -> None:
    assert Latencies([0]).at(100) <= 1
    with pytest.raises(ValueError, match="out of range"):
        Latencies([-1])


def test_more_than_an_hour_is_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match="out of range"):
        Latencies([2**63])


def test_an_empty_histogram_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="empty"):
        Latencies().at(50)
    assert "p50" not in Latencies().as_json()


@given(st.lists(st.integers(0, 10_000_000), min_size=1, max_size=50))
def test_json_brings_back_the_same_histogram(values: list[int]) -> None:
    written = Latencies(values).as_json()
    read = HdrHistogram.decode(written["hdr"])
    assert read.get_total_count() == written["count"] == len(values)
    assert [int(read.get_value_at_percentile(p)) for p in (50, 99.9, 100)] == [
        written[each] for each in ("p50", "p99.9", "max")
    ]


def test_names_of_percentiles() -> None:
    assert [name(p) for p in (50.0, 99.9)] == ["p50", "p99.9"]
