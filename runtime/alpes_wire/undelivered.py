"""Finds entries that the broker keeps back, and often all that comes after.

On a Shared subscription the broker gives all pieces of a message to one consumer, the one that had the first. Where
none had it, because there is no first piece or because it was acknowledged before, the broker tries the piece again and
again, and delivers nothing else. And what it has read at once it doesn't send where that has no message in all, as its
senders say: a batch of 0, or a batch of -1 beside a message. A reader is given all of it.

An entry that the broker takes for its own, as a marker, is given to nobody. The broker acknowledges it itself, but not
where it is such a piece, too.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .endpoint import Endpoint
from .errors import WireError
from .message import Entry, Message, MessageId
from .pieces import FAR, Pieces, is_piece
from .reader import READ_TOGETHER, Reader
from .unpacking import NO_METADATA, unpacked, unreadable

Position = tuple[int, int]
"""Ledger and entry."""
NOWHERE: Position = (-1, -1)
MOST_ENTRIES, MOST_BYTES, MOST_S = 5_000, 64_000_000, 5.0
"""Most that is read at once. The next look goes on where this one ended."""
PAUSE_S = 15.0
"""Between two looks where it isn't known whether there is anything new."""
GAP_PAUSE_S = 6.0
"""Between two looks for an entry that is missing."""
PATIENCE_S = 1.0
"""For the next entry. Nothing is received meanwhile."""
MOST_GAPS, MOST_MISSING, MOST_AT_END = 200, 1_000, 3
"""Gaps that are watched at once, entries of one, and of one with nothing behind it. Others are looked at later."""
MISSED, MISSED_AT_END, MISSED_ENOUGH = 2, 1, 4
"""How much it counts that a reader is not given an entry although it is given one behind it; that it is given nothing
more behind one before it, as a slow broker may do; and how much makes it one that nobody is given."""
LOOK_BACK, MOST_NEAR = 100, 2_000
"""Entries before a piece, and in all, among which the others of its message are looked for."""


@dataclass
class _Gap:
    """Entries that a reader was not given, behind one that it was; before another one, or where the topic ends."""

    before: Position
    missing: set[Position]
    missed: int = 0
    again_at: float = 0.0


class Undelivered:
    """What was read of a partition behind the back of its subscription.

    What is found may be in hand already, or done: then it is done twice, as after any redelivery.

    Parameters
    ----------
    endpoint, topic
        What is read.
    monotonic
        Seconds of a clock that never goes back.
    """

    def __init__(self, endpoint: Endpoint, topic: str, monotonic: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._topic = topic
        self._monotonic = monotonic
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at everything once more: the subscription may have been set back."""
        self._pieces = Pieces(self.pieces_like)
        self._read_to: Position | None = None
        self._looked_to = NOWHERE
        self._again_at = 0.0
        self._gaps: list[_Gap] = []
        self._number = -1

    def came(self, position: Position) -> None:
        """Note that the broker has delivered an entry by itself."""
        for gap in self._gaps:
            gap.missing.discard(position)

    def read_to(self, position: Position) -> None:
        """Note up to where all is acknowledged; the number of an entry before the first is -1, unsigned."""
        self._read_to = position[0], _signed(position[1])

    def look(self, last: Position | None) -> Sequence[Message]:
        """Return what is found behind where all is acknowledged, nothing where that isn't known.

        Parameters
        ----------
        last
            The topic's last entry; None where it isn't known, and then it is looked only now and then.
        """
        found: list[Message] = []
        if self._read_to is None or (last is None and self._monotonic() < self._again_at):
            return found
        self._again_at = self._monotonic() + PAUSE_S
        after = max(self._read_to, self._looked_to)
        end = None if last is None else (last[0], _signed(last[1]))
        # Where it can't be read now, the next look will.
        with contextlib.suppress(WireError):
            if end is None or end > after:
                found += self._looked(after, end)
        found += self._of_gaps()
        return found

    def _looked(self, after: Position, end: Position | None) -> list[Message]:
        """Read on; return what the broker keeps back."""
        found: list[Message] = []
        before: deque[Entry] = deque(maxlen=READ_TOGETHER)
        beside = 0
        # A reader isn't sent the entries without any message either; with one before them it is.
        reader = Reader(self._endpoint, self._topic, MessageId(after[0], max(0, after[1])))
        with contextlib.closing(reader):
            deadline = self._monotonic() + MOST_S
            size = count = 0
            while count < MOST_ENTRIES and size < MOST_BYTES and (end is None or self._looked_to < end):
                if len(self._gaps) >= MOST_GAPS:
                    break
                entry = reader.entry(min(PATIENCE_S, max(0.0, deadline - self._monotonic())))
                if entry is None:
                    if end is not None and reader.connected and self._monotonic() < deadline:
                        self._note_gap(max(after, self._looked_to), (end[0], end[1] + 1), MOST_AT_END)
                    break
                count += 1
                size += entry.size
                if entry.id[:2] <= after:
                    continue
                self._note_gap(max(after, self._looked_to), entry.id[:2], MOST_MISSING)
                self._looked_to = entry.id[:2]
                kept_back: list[Message] = []
                # A delayed piece comes early: later nothing would look for it, and it would stop the input.
                if is_piece(entry):
                    kept_back.extend(self._pieces.add(entry, self._monotonic()))
                elif not entry.countable or entry.metadata is NO_METADATA:
                    # The broker took what it read with this for sent, and sent none of it.
                    for each in (*before, entry):
                        kept_back.extend(unpacked(each))
                    before.clear()
                    beside = READ_TOGETHER
                elif beside:
                    beside -= 1
                    kept_back.extend(unpacked(entry))
                else:
                    before.append(entry)
                size += sum(message.size for message in kept_back)
                found += kept_back
        return found

    def _note_gap(self, before: Position, after: Position, most: int) -> None:
        """Watch what lies between two entries, if anything does; of another ledger from its first entry on."""
        first = before[1] + 1 if before[0] == after[0] else 0
        if 0 < after[1] - first <= most:
            missing = {(after[0], entry) for entry in range(first, after[1])}
            # The broker may deliver them yet.
            self._gaps.append(_Gap(before, missing, again_at=self._monotonic() + GAP_PAUSE_S))
            self._looked_to = max(missing)

    def _of_gaps(self) -> list[Message]:
        """Return what comes of the gaps now, and what stands for entries that never come."""
        found: list[Message] = []
        deadline = self._monotonic() + MOST_S
        size = 0
        for gap in self._gaps:
            if size >= MOST_BYTES or not gap.again_at <= self._monotonic() < deadline:
                continue
            gap.again_at = self._monotonic() + GAP_PAUSE_S
            gap.missing = {place for place in gap.missing if self._read_to is None or place > self._read_to}
            # Where it can't be read now, it will be later.
            with contextlib.suppress(WireError):
                found += self._of_gap(gap)
            size = sum(message.size for message in found)
        self._gaps = [gap for gap in self._gaps if gap.missing]
        return found

    def _of_gap(self, gap: _Gap) -> list[Message]:
        """Return the messages of what a reader is given of a gap, if it begins before it, and what stands for the rest.

        What was kept from another reader, for what was read together with it, is given to this one.
        """
        found: list[Message] = []
        size = 0
        silent = False
        start = MessageId(gap.before[0], max(0, gap.before[1] - LOOK_BACK))
        with contextlib.closing(Reader(self._endpoint, self._topic, start)) as reader:
            deadline = self._monotonic() + MOST_S
            while gap.missing and reader.seen[:2] < max(gap.missing) and size < MOST_BYTES:
                left = deadline - self._monotonic()
                entry = reader.entry(min(PATIENCE_S, max(0.0, left)))
                if entry is None:
                    silent = reader.connected and left >= PATIENCE_S
                    break
                if entry.id[:2] not in gap.missing:
                    continue
                gap.missing.discard(entry.id[:2])
                if is_piece(entry):
                    messages = list(self._pieces.add(entry, self._monotonic()))
                elif entry.metadata.deliver_at_time > time.time() * 1000:
                    # The broker delivers it in time.
                    continue
                else:
                    messages = unpacked(entry)
                found += messages
                size += sum(message.size for message in messages)
            self._number = max(self._number, reader.seen.number)
            if gap.missing and reader.seen[:2] > max(gap.missing):
                gap.missed += MISSED
            elif silent and len(gap.missing) <= MOST_AT_END and reader.seen[:2] >= gap.before:
                gap.missed += MISSED_AT_END
        if gap.missed >= MISSED_ENOUGH:
            why = "the broker gives this entry to nobody: it is a marker, or its transaction was aborted"
            for ledger, number in sorted(gap.missing):
                found.append(unreadable((Entry(MessageId(ledger, number, self._number), NO_METADATA, b""),), why))
            gap.missing = set()
        return found

    def overdue(self, now: float) -> Iterable[Message]:
        """Return what has waited too long for the rest of its message."""
        return self._pieces.overdue(now)

    def pieces_like(self, some: Sequence[Entry]) -> tuple[list[Entry], Position]:
        """Return the pieces that the topic has of some messages, near one of each, and up to where it was read.

        The broker gives pieces to whoever had the first one, even where that one is gone, and there they stay.
        """
        first = min(some, key=lambda entry: entry.id).id
        names = {entry.metadata.uuid for entry in some}
        known = max(entry.id[:2] for entry in some)
        found: list[Entry] = []
        size = 0
        try:
            start = MessageId(first.ledger, max(0, first.entry - LOOK_BACK))
            with contextlib.closing(Reader(self._endpoint, self._topic, start)) as reader:
                deadline = self._monotonic() + MOST_S
                for _ in range(MOST_NEAR):
                    left = deadline - self._monotonic()
                    if left <= 0 or size >= MOST_BYTES:
                        break
                    entry = reader.entry(min(PATIENCE_S, left))
                    if entry is None:
                        # One that gave nothing up to where it is known to go on is only slow.
                        all_given = reader.connected and left >= PATIENCE_S and reader.seen[:2] >= known
                        return found, FAR if all_given else reader.seen[:2]
                    if is_piece(entry) and entry.metadata.uuid in names and entry.permits == 1:
                        found.append(entry)
                        size += entry.size
                return found, reader.seen[:2]
        except WireError:
            return found, NOWHERE


def _signed(entry: int) -> int:
    return entry if entry < 2**63 else entry - 2**64
