"""Says when a function has to stop consuming an input, instead of emptying its topic into the dead-letter topic.

What tells a bad deployment from bad messages is who says no. A decoder or handler that refuses a message in so many
words (`InvalidMessage`, `Rejected`, `Retry`) does what it was made for, however many it refuses: garbage is
dead-lettered at full speed. An exception that nobody raised on purpose says that our code is wrong (``bug``), and where
most messages end so, the next one will, too.
"""

from collections import deque
from collections.abc import Sequence

WINDOW = 100
"""Messages before the present group that count."""
FEWEST_BUGS = 20
"""Below so many nothing is stopped: a bug that one kind of message finds harms that kind alone."""


class BugShare:
    """Which share of an input's latest messages failed for a bug."""

    def __init__(self) -> None:
        self._latest: deque[bool] = deque(maxlen=WINDOW)

    def exceeded(self, group: Sequence[bool]) -> bool:
        """Add a group, True for each message that a bug failed; return whether most failed so."""
        judged = [*self._latest, *group]
        self._latest.extend(group)
        bugs = sum(judged)
        return bugs >= FEWEST_BUGS and 2 * bugs > len(judged)
