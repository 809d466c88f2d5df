"""Durations counted in buckets, from which percentiles are read with an error of at most 2 %. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

GROWTH = 1.04
"""Each bucket is wider than the one before by this factor; its middle is at most 2 % off."""
_LOG_GROWTH = math.log(GROWTH)
LONGEST_MS = 10**10
"""Longer durations count as this, four months."""


def bucket(duration_ms: int) -> int:
    """Return the number of the bucket of a duration in milliseconds, 0 or more."""
    return round(math.log(min(duration_ms, LONGEST_MS) + 1) / _LOG_GROWTH)


def duration_ms(number: int) -> float:
    """Return the duration in the middle of a bucket, in milliseconds."""
    return math.exp(number * _LOG_GROWTH) - 1


def merged(each: Iterable[Counter[int]]) -> Counter[int]:
    """Return the sum of several counts by bucket."""
    total: Counter[int] = Counter()
    for counts in each:
        total.update(counts)
    return total


def percentile(counts: Counter[int], percent: float) -> float | None:
    """Return the duration in milliseconds that `percent` percent don't exceed; None if nothing was counted.

    Examples
    --------
    >>> round(percentile(Counter({bucket(20): 99, bucket(500): 1}), 99) or 0)
    20
    """
    left = math.ceil(counts.total() * percent / 100)
    for number in sorted(counts):
        left -= counts[number]
        if left <= 0:
            return duration_ms(number)
    return None
