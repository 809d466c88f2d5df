"""Decides when a function has to stop consuming an input, instead of emptying its topic into the dead-letter topic.

The way a message fails tells a bad deployment from bad messages. A decoder or handler that refuses a message explicitly
(`InvalidMessage`, `Rejected`, `Retry`) works as intended, however many it refuses: garbage is dead-lettered at full
speed. An exception that nobody raised on purpose means that our code is wrong (``bug``). If most messages fail so, the
next one will, too.
"""

from collections import deque
from collections.abc import Sequence

WINDOW = 100
"""How many messages before the present group count."""
FEWEST_BUGS = 20
"""With fewer failures nothing is halted: a bug that only one kind of message triggers harms that kind alone."""


class BugShare:
    """The share of an input's latest messages that failed for a bug."""

    def __init__(self) -> None:
        self._latest: deque[bool] = deque(maxlen=WINDOW)

    def exceeded(self, group: Sequence[bool]) -> bool:
        """Add a group, with True for each message that failed for a bug; return whether most of the latest did."""
        judged = [*self._latest, *group]
        self._latest.extend(group)
        bugs = sum(judged)
        return bugs >= FEWEST_BUGS and 2 * bugs > len(judged)
