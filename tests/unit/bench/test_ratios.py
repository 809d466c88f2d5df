"""Ratios and slopes on numbers whose answers are known."""

import math

import pytest

from bench.ratios import ratio, rotated, slope


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    found = ratio([90.0, 100.0, 120.0], [100.0, 100.0, 100.0])
    assert found.median == 1.0
    assert found.noise == pytest.approx(0.15)
    assert found.rounds == [0.9, 1.0, 1.2]


def test_rounds_are_compared_with_themselves() -> None:
    # The machine was half as fast in the second round, for both.
    found = ratio([100.0, 50.0, 100.0], [100.0, 50.0, 100.0])
    assert (found.median, found.noise) == (1.0, 0.0)


@pytest.mark.parametrize(("above", "below"), [([], []), ([1.0], [1.0, 2.0]), ([1.0], [0.0])])
def test_what_cannot_be_compared_is_refused(above: list[float], below: list[float]) -> None:
    with pytest.raises(ValueError, match="ratio"):
        ratio(above, below)


def test_a_straight_line_has_no_error() -> None:
    found = slope([0.0, 1.0, 2.0, 3.0], [5.0, 7.0, 9.0, 11.0])
    assert found.per_unit == pytest.approx(2.0)
    assert found.error == pytest.approx(0.0, abs=1e-9)


def test_the_error_of_a_slope() -> None:
    # By hand: y = 1 + 0.75 x leaves 0, 0.25, -0.5 and 0.25.
    found = slope([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 2.0, 3.5])
    assert found.per_unit == pytest.approx(0.75)
    assert found.error == pytest.approx(math.sqrt(0.375 / 2 / 5))


def test_two_points_have_a_slope_of_unknown_error() -> None:
    assert slope([0.0, 1.0], [0.0, 1.0]) == (1.0, math.inf)


def test_a_single_place_has_no_slope() -> None:
    with pytest.raises(ValueError, match="two points"):
        slope([1.0, 1.0], [0.0, 1.0])


def test_each_comes_first_once() -> None:
    rounds = [rotated(["a", "b", "c"], number) for number in range(3)]
    assert [names[0] for names in rounds] == ["a", "b", "c"]
    assert all(sorted(names) == ["a", "b", "c"] for names in rounds)
