"""Finds what ends the process: what it had in hand when it died is worked on few by few, and then one by one."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from .message import Entry, Message, MessageId
from .unpacking import unreadable

MOST_DEATHS = 2
"""What a process died over so often is given up."""
LONGEST_S = 10.0
"""What has been worked on for so long is not what ends a process: it waits for something."""


class Guard(Protocol):
    """Knows over a process's death what it had in hand."""

    @property
    def lot(self) -> int:
        """How much of what was in hand is worked on at once, in entries of each input; 0 for any number."""

    def in_hand(self, topic: str) -> tuple[int, int]:
        """Ledger and entry of the highest place that was handed out of a topic before the last death."""

    def hand_out(self, topic: str, id_: MessageId) -> None:
        """Note that an entry is handed out."""

    def begin(self, place: str) -> bool:
        """Note that an entry is being worked on alone; False while another one is."""

    def end(self, place: str) -> None:
        """Note that it no longer is."""

    def deaths(self, place: str) -> int:
        """How often the process died while an entry was being worked on alone."""


class _Work(NamedTuple):
    """An entry, or the pieces of a message, and what makes messages of it."""

    entries: tuple[Entry, ...]
    unpack: Callable[[], Sequence[Message]]


class Care:
    """Takes care of what one consumer gives out.

    Parameters
    ----------
    guard, topic
        See there.
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
        """Note that an entry came."""
        self._guard.hand_out(self._topic, entry.id)

    def concerns(self, entries: tuple[Entry, ...]) -> bool:
        """Whether an entry, or a message in pieces, is to be taken with care."""
        return entries[0].id[:2] <= self._bound and entries[0].countable

    def take(self, entries: tuple[Entry, ...], unpack: Callable[[], Sequence[Message]]) -> Sequence[Message]:
        """Return its messages, nothing where it has to wait for one that is worked on alone."""
        if self._lot > 1:
            self._at_work.extend(entries)
            self._until = self._monotonic() + LONGEST_S
            return unpack()
        self._waiting.append(_Work(entries, unpack))
        return self.waited()

    def waited(self) -> Sequence[Message]:
        """Return the messages of the first that had to wait, once it need not.

        Those of one that the process died over have a `problem`. Where it died even of that, the entry stays unread.
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
        """Whether nothing more is to be taken before what is being worked on is done."""
        return bool(self._waiting) or 0 < self._lot <= len(self._at_work)

    def expire(self) -> None:
        """Let go what is done, and what has been worked on for too long to be what ends a process."""
        if self._at_work and (self._monotonic() >= self._until or all(entry.open < 1 for entry in self._at_work)):
            self._let_go()

    def drop(self) -> None:
        """Be done with everything: it comes again."""
        self._waiting.clear()
        self._let_go()

    def _let_go(self) -> None:
        self._at_work.clear()
        if self._alone:
            self._guard.end(self._alone)
            self._alone = ""
