"""Says when each order of a run is due: at a constant rate, at a rising or falling one, or in bursts. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Pace(Protocol):
    """When the orders of a run are due."""

    def due_s(self, number: int) -> float:
        """Return when an order is due, in seconds after the first; the first has the number 0."""

    def within(self, seconds: float) -> int:
        """Return how many orders are due within so many seconds of the first."""


@dataclass(frozen=True)
class Constant:
    """The same number of orders in every second.

    Attributes
    ----------
    rate : float
        Orders per second, above 0.
    """

    rate: float

    def due_s(self, number: int) -> float:
        """See `Pace`."""
        return number / self.rate

    def within(self, seconds: float) -> int:
        """See `Pace`."""
        return math.ceil(self.rate * seconds)


@dataclass(frozen=True)
class Ramp:
    """A rate that changes evenly from one value to another.

    Attributes
    ----------
    first, last : float
        Orders per second at the start and at the end; one may be 0.
    length_s : float
        How long the change takes.
    """

    first: float
    last: float
    length_s: float

    def due_s(self, number: int) -> float:
        """See `Pace`."""
        # By t seconds, first * t + slope * t² / 2 orders are due. This form of the solution has no division by a slope
        # of 0, and loses no digits where the slope is small.
        slope = (self.last - self.first) / self.length_s
        root = math.sqrt(max(0.0, self.first**2 + 2 * slope * number))
        return 2 * number / (self.first + root) if number else 0.0

    def within(self, seconds: float) -> int:
        """See `Pace`."""
        slope = (self.last - self.first) / self.length_s
        return math.ceil(self.first * seconds + slope * seconds**2 / 2)


@dataclass(frozen=True)
class Bursts:
    """Many orders at once, then none for a while.

    Attributes
    ----------
    size : int
        Orders in a burst.
    every_s : float
        Seconds from the start of one burst to that of the next.
    """

    size: int
    every_s: float

    def due_s(self, number: int) -> float:
        """See `Pace`."""
        return number // self.size * self.every_s

    def within(self, seconds: float) -> int:
        """See `Pace`."""
        return self.size * math.ceil(seconds / self.every_s)
