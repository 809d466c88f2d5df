"""Latencies as HdrHistograms: their percentiles are exact to 0.1 %, also far into the tail."""

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
        The first times, in microseconds.
    """

    def __init__(self, values_us: Iterable[int] = ()) -> None:
        self._histogram = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        for value in values_us:
            self.record(value)

    def record(self, value_us: int) -> None:
        """Add one time. Raise `ValueError` if it is negative or over an hour."""
        if value_us < 0 or not self._histogram.record_value(value_us):
            raise ValueError(f"a latency of {value_us} µs is out of range")

    @property
    def count(self) -> int:
        """The number of times in it."""
        return int(self._histogram.get_total_count())

    def at(self, percentile: float) -> int:
        """Return a percentile in microseconds. Raise `ValueError` when the histogram is empty."""
        if not self.count:
            raise ValueError("an empty histogram has no percentiles")
        return int(self._histogram.get_value_at_percentile(percentile))

    def as_json(self) -> dict[str, Any]:
        """Return its percentiles, and the whole histogram in HdrHistogram's own format (V2, compressed, base64)."""
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
    """Return a percentile's name: ``p99.9`` for 99.9, ``p50`` for 50.0."""
    return f"p{percentile:g}"
