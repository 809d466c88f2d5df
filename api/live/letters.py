"""Keeps the newest dead letters that wait, in bounded memory. Pure."""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import Any, NamedTuple

KEPT = 1_000
"""Letters that are kept."""
SHOWN = 100
"""Letters that are named; the others are counted."""
DEALT_WITH_KEPT = 20_000
"""Ids of letters that were dealt with, kept in case the letter itself is read later."""
MAX_KEY_CHARS = 128
MAX_REASON_CHARS = 300


class WaitingLetter(NamedTuple):
    """A dead letter, as far as it is shown.

    Attributes
    ----------
    id : str
        Its id, as `alpes dlq` writes it.
    topic : str
        Where its message came from.
    error, function, key, why : str
        Why its function gave it up, in a word; the function; the message's key; the reason.
    since_ms : int
        When it became a dead letter, in Unix milliseconds.
    """

    id: str
    topic: str
    error: str
    function: str
    key: str
    why: str
    since_ms: int

    @classmethod
    def of(cls, letter: Any) -> WaitingLetter:
        """Return what is shown of an `operations.dlq.letters.Letter`."""
        # The last line of a traceback names the error.
        lines = letter.error_message.strip().splitlines() or [""]
        return cls(
            str(letter.id),
            letter.id.topic,
            letter.error_type[:MAX_KEY_CHARS],
            letter.function[:MAX_KEY_CHARS],
            letter.key[:MAX_KEY_CHARS],
            lines[-1][:MAX_REASON_CHARS],
            letter.published_ms,
        )


class WaitingLetters:
    """The dead letters that wait; used by one thread at a time.

    Attributes
    ----------
    older : bool
        Whether there are older ones that were not read.
    problem : str
        Why those that lay there before aren't known; empty once they are.
    changed : bool
        Whether anything changed since this was last set to False.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, WaitingLetter] = OrderedDict()
        self._dealt_with: OrderedDict[str, None] = OrderedDict()
        self._passed_over = 0
        self.older = False
        self.problem = "not read yet"
        self.changed = True

    def add(self, letter: WaitingLetter) -> None:
        """Add a letter, unless it was dealt with."""
        if letter.id in self._dealt_with or letter.id in self._kept:
            return
        self.changed = True
        self._kept[letter.id] = letter
        if len(self._kept) > KEPT:
            oldest = min(self._kept.values(), key=lambda each: each.since_ms)
            del self._kept[oldest.id]
            self._passed_over += 1

    def pass_over(self, letters: int) -> None:
        """Count letters that were not read."""
        if letters:
            self.changed = True
            self._passed_over += letters

    def dealt_with(self, letter_id: str) -> None:
        """Forget a letter that was replayed or discarded."""
        self.changed = self._kept.pop(letter_id, None) is not None or self.changed
        self._dealt_with[letter_id] = None
        if len(self._dealt_with) > DEALT_WITH_KEPT:
            self._dealt_with.popitem(last=False)

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows, the newest letter first."""
        newest = sorted(self._kept.values(), key=lambda each: each.since_ms, reverse=True)
        reasons = Counter((each.topic, each.error, each.function) for each in newest)
        return {
            "waiting": len(newest),
            "passed_over": self._passed_over,
            "older": self.older,
            "problem": self.problem,
            "reasons": [
                {"topic": topic, "error": error, "function": function, "letters": letters}
                for (topic, error, function), letters in reasons.most_common(SHOWN)
            ],
            "letters": [each._asdict() for each in newest[:SHOWN]],
        }
