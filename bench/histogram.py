"""Latencies as HdrHistograms: percentiles that are exact to 0.1 % far into the tail."""

from collections.abc import Iterable
from typing import Any

from hdrh.histogram import HdrHistogram

LOWEST_US, HIGHEST_US = 1, 3_600_000_000
DIGITS = 3
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)


class Latencies:
    """A histogram of times from 0 µs to an hour.

    Parameters
    ----------
    values_us
        What to begin with, in microseconds.
    """

    def __init__(self, values_us: Iterable[int] = ()) -> None:
        self._histogram = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        for value in values_us:
            self.record(value)

    def record(self, value_us: int) -> None:
        """Add one time. Raises `ValueError` for one that no clock can have shown."""
        if value_us < 0 or not self._histogram.record_value(value_us):
            raise ValueError(f"a latency of {value_us} µs is out of range")

    @property
    def count(self) -> int:
        """How many times it holds."""
        return int(self._histogram.get_total_count())

    def at(self, percentile: float) -> int:
        """Return the time in microseconds that so many percent don't exceed. Raises `ValueError` when empty."""
        if not self.count:
            raise ValueError("an empty histogram has no percentiles")
        return int(self._histogram.get_value_at_percentile(percentile))

    def as_json(self) -> dict[str, Any]:
        """Return the histogram in HdrHistogram's own form (V2, compressed, base64), and its percentiles to read."""
        encoded = self._histogram.encode()
        shown = {name(percentile): self.at(percentile) for percentile in PERCENTILES} if self.count else {}
        return {
            "unit": "us",
            "count": self.count,
            **shown,
            **({"max": self.at(100.0)} if self.count else {}),
            "hdr": encoded.decode() if isinstance(encoded, bytes) else str(encoded),
        }


def name(percentile: float) -> str:
    """``p99.9`` of 99.9, ``p50`` of 50.0."""
    return f"p{percentile:g}"
