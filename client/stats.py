"""Percentiles and rates. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least `percent` percent of the values don't exceed (nearest rank).

    Parameters
    ----------
    ascending
        At least one value, sorted.
    percent
        Above 0, at most 100.

    Raises
    ------
    ValueError
        If there is no value, or `percent` is out of range.

    Examples
    --------
    >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.0
    """
    if not ascending:
        raise ValueError("no values, no percentile")
    if not 0 < percent <= 100:
        raise ValueError(f"a percentile must be above 0 and at most 100, not {percent}")
    return ascending[math.ceil(len(ascending) * percent / 100) - 1]


def latency_percentiles(latencies_ms: Sequence[float]) -> dict[str, float] | None:
    """Return p50, p95 and p99 in milliseconds, or None if nothing was measured."""
    if not latencies_ms:
        return None
    ascending = sorted(latencies_ms)
    return {f"p{percent}": round(percentile(ascending, percent), 1) for percent in (50, 95, 99)}


def per_second(count: int, from_ns: int | None, to_ns: int | None) -> float | None:
    """Return the rate of `count` things between two times in nanoseconds, or None if no time has passed."""
    if count == 0 or from_ns is None or to_ns is None or to_ns <= from_ns:
        return None
    return round(count * 1e9 / (to_ns - from_ns), 1)
