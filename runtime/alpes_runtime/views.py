"""What follows behind in the state store, each in a thread of its own: see `write_behind` and `totals`."""

import logging
import threading
from typing import Protocol

from .backoff import Backoff
from .clock import Clock
from .errors import Unavailable


class View(Protocol):
    """Something that follows behind; stepped by a thread of its own."""

    def step(self) -> float:
        """Do one piece of work and return after how many seconds to do the next.

        Raises
        ------
        Unavailable
            Something is away; step again later.
        """
        ...


def run_view(
    view: View, *, clock: Clock, stopping: threading.Event, logger: logging.Logger, backoff: Backoff | None = None
) -> None:
    """Step a view until ``stopping``; what is away is waited for, and an error never ends it."""
    backoff = backoff or Backoff(initial=0.2, maximum=10.0)
    while not stopping.is_set():
        try:
            pause = view.step()
            if backoff.failures:
                logger.info("The view goes on after %d attempts", backoff.failures)
            backoff.reset()
        except Exception as error:
            if stopping.is_set():
                return
            pause = backoff.next()
            if backoff.failures in (1, 10) or backoff.failures % 60 == 0:
                expected = isinstance(error, Unavailable)
                logger.warning("A view waits (attempt %d): %s", backoff.failures, error, exc_info=not expected)
        clock.wait(stopping, pause)
