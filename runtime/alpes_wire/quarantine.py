"""Finds the entry that crashes the process: entries that were in flight are processed in small lots, then alone."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from .message import Entry, Message, MessageId
from .unpacking import unreadable

MOST_DEATHS = 2
"""An entry that crashed the process this often has its messages marked as unreadable."""
LONGEST_S = 10.0
"""An entry processed for this long doesn't crash the process: it waits for something."""


class Guard(Protocol):
    """Remembers across crashes of the process which entries were in flight."""

    @property
    def lot(self) -> int:
        """Most quarantined entries of each input to process at once; 0 for any number."""

    def in_hand(self, topic: str) -> tuple[int, int]:
        """Return ledger and entry of the topic's highest position that was handed out before the last crash."""

    def hand_out(self, topic: str, id_: MessageId) -> None:
        """Note that an entry is handed out."""

    def begin(self, place: str) -> bool:
        """Note that an entry is being processed alone; return False while another one is."""

    def end(self, place: str) -> None:
        """Note that it is no longer being processed alone."""

    def deaths(self, place: str) -> int:
        """Return how often the process crashed while it processed an entry alone."""


class _Work(NamedTuple):
    """An entry, or the pieces of a message, and the function that unpacks its messages."""

    entries: tuple[Entry, ...]
    unpack: Callable[[], Sequence[Message]]


class Quarantine:
    """Holds back one consumer's suspect entries: those that were in flight before the last crash.

    Parameters
    ----------
    guard
        Remembers which entries were in flight.
    topic
        Full name of the partition.
    monotonic
        Seconds of a clock that never goes back.
    """

    def __init__(self, guard: Guard, topic: str, monotonic: Callable[[], float]) -> None:
        self._guard = guard
        self._topic = topic
        self._monotonic = monotonic
        self._lot = guard.lot
        self._bound = guard.in_hand(topic) if self._lot else (-1, -1)
        self._at_work: list[Entry] = []
        self._waiting: deque[_Work] = deque()
        self._alone = ""
        self._until = 0.0

    def hand_out(self, entry: Entry) -> None:
        """Note that the consumer hands out an entry."""
        self._guard.hand_out(self._topic, entry.id)

    def applies_to(self, entries: tuple[Entry, ...]) -> bool:
        """Return whether an entry, or a message in pieces, is suspect."""
        return entries[0].id[:2] <= self._bound and entries[0].countable

    def take(self, entries: tuple[Entry, ...], unpack: Callable[[], Sequence[Message]]) -> Sequence[Message]:
        """Return the messages of a suspect entry, none where it has to wait for one that is processed alone."""
        if self._lot > 1:
            self._at_work.extend(entries)
            self._until = self._monotonic() + LONGEST_S
            return unpack()
        self._waiting.append(_Work(entries, unpack))
        return self.next_waiting()

    def next_waiting(self) -> Sequence[Message]:
        """Return the messages of the first waiting entry, none while another entry is being processed.

        The messages of an entry that crashed the process twice have a `problem`. After a third crash the entry is no
        longer unpacked.
        """
        self.expire()
        if not self._waiting or self._at_work:
            return []
        entries, unpack = self._waiting[0]
        place = f"{self._topic} ({entries[0].id.ledger},{entries[0].id.entry})"
        if not self._guard.begin(place):
            return []
        self._waiting.popleft()
        self._alone = place
        self._at_work.extend(entries)
        self._until = self._monotonic() + LONGEST_S
        deaths = self._guard.deaths(place)
        problem = f"the instance ended {deaths} times while it worked on this entry"
        if deaths > MOST_DEATHS:
            return [unreadable(entries, problem)]
        messages = unpack()
        if deaths == MOST_DEATHS:
            for message in messages:
                message.problem = message.problem or problem
        return messages

    @property
    def full(self) -> bool:
        """Whether the consumer must take nothing more until suspect entries are done."""
        return bool(self._waiting) or 0 < self._lot <= len(self._at_work)

    def expire(self) -> None:
        """Release entries that are done, and those that have been processed for longer than `LONGEST_S`."""
        if self._at_work and (self._monotonic() >= self._until or all(entry.open < 1 for entry in self._at_work)):
            self._let_go()

    def drop(self) -> None:
        """Forget all entries: the broker delivers them again."""
        self._waiting.clear()
        self._let_go()

    def _let_go(self) -> None:
        self._at_work.clear()
        if self._alone:
            self._guard.end(self._alone)
            self._alone = ""
