"""Waits for a dependency that is away: backs off, logs now and then, and records a metric if the outage lasts."""

from ._context import InstanceContext
from .errors import Unavailable

STUCK_AFTER_S = 5.0
"""An outage that lasts this long is also recorded as a metric; a shorter one is only a reconnect."""
LOG_EVERY_S = 60.0
"""A lasting outage is logged again after this long."""


class Outage:
    """Handles the outages of one dependency.

    Parameters
    ----------
    context
        The instance.
    who
        What waits, as the subject of a log line.
    needs
        What it waits for, as ``stuck.<needs>`` names it; empty records nothing.
    initial, maximum
        Bounds of the wait between two attempts, in seconds.
    """

    def __init__(
        self, context: InstanceContext, who: str, needs: str = "", *, initial: float = 0.05, maximum: float = 2.0
    ) -> None:
        self._context = context
        self._who = who
        self._needs = needs
        self._backoff = context.platform.backoff(initial, maximum)
        self._since = self._logged_at = 0.0
        self._stuck = False

    def wait(self, error: Exception) -> None:
        """Wait after a failed attempt; a stop of the instance ends the wait."""
        now = self._context.clock.monotonic()
        first = not self._backoff.failures
        if first:
            self._since = now
        pause_s = self._backoff.next()
        lasts = not self._stuck and now - self._since >= STUCK_AFTER_S
        if lasts:
            self._stuck = True
            if self._needs:
                self._context.record_stuck(self._needs, stuck=True)
        if first or lasts or now - self._logged_at >= LOG_EVERY_S:
            self._logged_at = now
            self._context.logger.warning(
                "%s waits (attempt %d), nothing is lost: %s",
                self._who,
                self._backoff.failures,
                error,
                exc_info=not isinstance(error, Unavailable),
            )
        self._context.clock.wait(self._context.stopping, pause_s)

    def over(self) -> None:
        """Note that an attempt succeeded."""
        if not self._backoff.failures:
            return
        self._context.logger.info("%s goes on after %d attempts", self._who, self._backoff.failures)
        if self._stuck and self._needs:
            self._context.record_stuck(self._needs, stuck=False)
        self._stuck = False
        self._backoff.reset()
