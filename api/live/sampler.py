"""Decides which events are decoded, so that following costs about the same at any rate. Pure."""

from __future__ import annotations

import math

DECODED_PER_S = 1_000
"""Up to this rate every event is decoded."""


class Sampler:
    """Chooses each k-th event, k by the rate of the last second; k is 1 up to `DECODED_PER_S` events a second."""

    def __init__(self) -> None:
        self._second = 0
        self._events = 0
        self._next = 0
        self.every = 1

    def take(self, events: int, second: int) -> int:
        """Return the number of the first event to decode among the next ones; from there on each `every`-th.

        Parameters
        ----------
        events
            How many events come now.
        second
            The time, in whole Unix seconds.
        """
        if second != self._second:
            # A pause means that the rate has fallen.
            rate = self._events if second == self._second + 1 else 0
            self.every = max(1, math.ceil(rate / DECODED_PER_S))
            self._second, self._events = second, 0
        self._events += events
        # A burst must not wait for the end of its second to be sampled.
        self.every = max(self.every, math.ceil(self._events / DECODED_PER_S))
        first = self._next % self.every
        self._next = (first - events) % self.every
        return first
