"""The clock, injected so that tests can control time."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards."""
        ...

    def now_ms(self) -> int:
        """Return the time of day in Unix milliseconds."""
        ...

    def wait(self, stopping: threading.Event, seconds: float) -> bool:
        """Wait at most ``seconds``; True as soon as ``stopping`` is set."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Return seconds since some moment before the process started."""
        return time.monotonic()

    def now_ms(self) -> int:
        """Return the time of day in Unix milliseconds."""
        return now_ms()

    def wait(self, stopping: threading.Event, seconds: float) -> bool:
        """Wait at most ``seconds``; True as soon as ``stopping`` is set."""
        return stopping.wait(seconds)


def now_ms() -> int:
    """Return the time of day in Unix milliseconds."""
    return time.time_ns() // 1_000_000
