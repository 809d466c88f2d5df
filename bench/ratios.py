"""Computes medians, ratios with their noise, and trends with their error. Pure."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple


class Ratio(NamedTuple):
    """How one rate compares with another, over several rounds.

    Attributes
    ----------
    median
        The median of the rounds' ratios.
    noise
        Half the difference between the largest and the smallest of them, as a share of the median.
    rounds
        Each round's ratio.
    """

    median: float
    noise: float
    rounds: list[float]


class Slope(NamedTuple):
    """The slope of a straight line through points.

    Attributes
    ----------
    per_unit
        How much y grows with each unit of x.
    error
        The standard error of `per_unit`; infinite for fewer than three points.
    """

    per_unit: float
    error: float


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Compare rates that were measured in the same rounds, round by round.

    Raises
    ------
    ValueError
        The two sides differ in length, or are empty, or a denominator is zero.
    """
    if not numerators or len(numerators) != len(denominators) or not all(denominators):
        raise ValueError("a ratio needs the same number of rounds on both sides, at least one, and no rate of zero")
    rounds = [above / below for above, below in zip(numerators, denominators, strict=True)]
    middle = statistics.median(rounds)
    return Ratio(middle, (max(rounds) - min(rounds)) / 2 / middle if middle else 0.0, rounds)


def rotated(names: Sequence[str], number: int) -> list[str]:
    """Return the names in the order for round ``number`` (from 0). Each round begins with another name."""
    start = number % len(names)
    return [*names[start:], *names[:start]]


def slope(xs: Sequence[float], ys: Sequence[float]) -> Slope:
    """Fit a line by least squares.

    Raises
    ------
    ValueError
        There are fewer than two points, or all have the same x.
    """
    if len(xs) != len(ys) or len(set(xs)) < 2:
        raise ValueError("a slope needs at least two points at different places")
    line = statistics.linear_regression(xs, ys)
    if len(xs) < 3:
        return Slope(line.slope, math.inf)
    middle = statistics.fmean(xs)
    spread = math.fsum((x - middle) ** 2 for x in xs)
    left = math.fsum((y - line.intercept - line.slope * x) ** 2 for x, y in zip(xs, ys, strict=True))
    return Slope(line.slope, math.sqrt(left / (len(xs) - 2) / spread))
