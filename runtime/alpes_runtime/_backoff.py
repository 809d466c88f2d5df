"""How long to wait before the next attempt."""

from dataclasses import dataclass, field
from random import Random

LONGEST_WAIT_S = 60.0
"""Longest wait between two attempts of a message that is tried for ever."""


@dataclass
class Backoff:
    """Exponential backoff with jitter, for a dependency that is away.

    Each wait is a uniform draw from the upper half of the exponential bound ("equal jitter"), so instances that lost
    the same database don't all come back at once:
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Parameters
    ----------
    initial, maximum
        Bounds of the wait, in seconds.
    random
        Source of the jitter.
    """

    initial: float = 0.05
    maximum: float = 2.0
    random: Random = field(default_factory=Random)
    _failures: int = 0

    def next(self) -> float:
        """Return the seconds to wait after one more failure."""
        bound = min(self.maximum, self.initial * 2 ** min(self._failures, 30))
        self._failures += 1
        return self.random.uniform(bound / 2, bound)

    def reset(self) -> None:
        """Start again from the shortest wait, after a success."""
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures since the last success."""
        return self._failures


@dataclass(frozen=True)
class RetryPolicy:
    """When a message that can't be processed now is tried again.

    Parameters
    ----------
    max_attempts
        Attempts in all, the first included.
    initial_s
        Wait before the second attempt; each further wait is twice as long.
    """

    max_attempts: int = 5
    initial_s: float = 1.0

    def delay_ms(self, attempt: int, *, for_ever: bool = False) -> int | None:
        """Return the milliseconds to wait after ``attempt`` failed, or None when it was the last.

        With ``for_ever`` there is no last attempt, and the wait stops growing at `LONGEST_WAIT_S`.
        """
        seconds = self.initial_s * 2.0 ** min(attempt - 1, 64)
        if for_ever:
            return int(min(seconds, LONGEST_WAIT_S) * 1000)
        return int(seconds * 1000) if attempt < self.max_attempts else None
