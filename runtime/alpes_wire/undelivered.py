"""Finds entries that the broker withholds, often together with all later ones.

On a Shared subscription the broker sends all pieces of a message to the consumer that received the first one. If no
consumer received it, because there is no first piece or it was acknowledged earlier, the broker retries the piece for
ever and delivers nothing else. The broker also withholds entries that it read together if their claimed numbers of
messages add up to zero or less: a batch of 0, or a batch of -1 beside a message. A reader receives all of these.

No consumer or reader receives an entry that the broker takes for its own, such as a marker. The broker acknowledges
these itself, except those that also claim to be a piece.
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
from .reader import EARLIEST, READ_TOGETHER, Reader
from .unpacking import NO_METADATA, unpacked, unreadable

Position = tuple[int, int]
"""Ledger and entry."""
NOWHERE: Position = (-1, -1)
MOST_ENTRIES, MOST_BYTES, MOST_S = 20_000, 64_000_000, 5.0
"""Limits of one look. The next one goes on where it ended."""
PAUSE_S = 15.0
"""Pause before the next look where the topic's end is unknown, and may have been reached."""
GAP_PAUSE_S = 6.0
"""Pause between two looks for a missing entry."""
PATIENCE_S = 1.0
"""How long to wait for the next entry. The consumer receives nothing meanwhile."""
MOST_GAPS, MOST_MISSING, MOST_AT_END = 200, 1_000, 3
"""Most gaps watched at once, most entries of a gap, and of a gap at the topic's end. Others are looked at later."""
MISSED, MISSED_AT_END, MISSED_ENOUGH = 2, 1, 4
"""Points for an entry that a reader doesn't receive. `MISSED`: it received a later one. `MISSED_AT_END`: it received
none after the one before, which may be due to a slow broker. At `MISSED_ENOUGH` nobody receives the entry."""
LOOK_BACK, MOST_NEAR = 100, 2_000
"""Where other pieces of a message are looked for: from this many entries before a piece, this many entries in all."""


@dataclass
class _Gap:
    """Entries that a reader did not receive, between two that it did, or at the topic's end."""

    before: Position
    missing: set[Position]
    missed: int = 0
    again_at: float = 0.0


class Undelivered:
    """Reads a partition without its subscription, to find entries that the broker withholds.

    A message found here may be processed already: it is then processed twice, as after any redelivery.

    Parameters
    ----------
    endpoint, topic
        The partition to read.
    monotonic
        Seconds of a clock that never goes back.
    """

    def __init__(self, endpoint: Endpoint, topic: str, monotonic: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._topic = topic
        self._monotonic = monotonic
        self.begin_anew()

    def begin_anew(self) -> None:
        """Look at everything again, since the subscription may have been reset."""
        self._pieces = Pieces(self.pieces_like)
        self._read_to: Position | None = None
        self._looked_to = NOWHERE
        self._again_at = 0.0
        self._gaps: list[_Gap] = []
        self._number = -1

    def came(self, position: Position) -> None:
        """Note that the broker has delivered an entry."""
        for gap in self._gaps:
            gap.missing.discard(position)

    def read_to(self, position: Position) -> None:
        """Note up to where all is acknowledged. An entry before the first has the number -1, written unsigned."""
        self._read_to = position[0], _signed(position[1])

    def read_to_unknown(self) -> None:
        """Note that something is unacknowledged and nobody knows where: unless it was known once, look everywhere."""
        if self._read_to is None:
            self._read_to = NOWHERE

    def look(self, last: Position | None) -> Sequence[Message]:
        """Return the withheld messages after the acknowledged position, none where that isn't known.

        Parameters
        ----------
        last
            The topic's last entry; None where it isn't known.
        """
        found: list[Message] = []
        if self._read_to is None or (last is None and self._monotonic() < self._again_at):
            return found
        after = max(self._read_to, self._looked_to)
        end = None if last is None else (last[0], _signed(last[1]))
        # Where reading fails, the next look tries again.
        with contextlib.suppress(WireError):
            if end is None or end > after:
                found += self._read_on(after, end)
        found += self._check_gaps()
        return found

    def _read_on(self, after: Position, end: Position | None) -> list[Message]:
        """Read on after a position; return the messages that the broker withholds."""
        found: list[Message] = []
        before: deque[Entry] = deque(maxlen=READ_TOGETHER)
        beside = 0
        # A reader doesn't receive entries without a message either, unless one with a message comes before them.
        reader = Reader(self._endpoint, self._topic, _start(after))
        with contextlib.closing(reader):
            deadline = self._monotonic() + MOST_S
            size = count = 0
            while count < MOST_ENTRIES and size < MOST_BYTES and (end is None or self._looked_to < end):
                if len(self._gaps) >= MOST_GAPS:
                    break
                entry = reader.entry(min(PATIENCE_S, max(0.0, deadline - self._monotonic())))
                if entry is None:
                    self._again_at = self._monotonic() + PAUSE_S
                    if end is not None and reader.connected and self._monotonic() < deadline:
                        self._note_gap(max(after, self._looked_to), (end[0], end[1] + 1), MOST_AT_END)
                    break
                count += 1
                size += entry.size
                if entry.id[:2] <= after:
                    continue
                self._note_gap(max(after, self._looked_to), entry.id[:2], MOST_MISSING)
                self._looked_to = entry.id[:2]
                withheld: list[Message] = []
                # A delayed piece is returned early: nothing would look for it later, and it would block the input.
                if is_piece(entry):
                    withheld.extend(self._pieces.add(entry, self._monotonic()))
                elif not entry.countable or entry.metadata is NO_METADATA:
                    # The broker withholds all entries that it read together with this one.
                    for each in (*before, entry):
                        withheld.extend(unpacked(each))
                    before.clear()
                    beside = READ_TOGETHER
                elif beside:
                    beside -= 1
                    withheld.extend(unpacked(entry))
                else:
                    before.append(entry)
                size += sum(message.size for message in withheld)
                found += withheld
        return found

    def _note_gap(self, before: Position, after: Position, most: int) -> None:
        """Watch the entries between two others; in a new ledger, those from its first entry on."""
        first = before[1] + 1 if before[0] == after[0] else 0
        if 0 < after[1] - first <= most:
            missing = {(after[0], entry) for entry in range(first, after[1])}
            # The broker may still deliver them, so the first look waits.
            self._gaps.append(_Gap(before, missing, again_at=self._monotonic() + GAP_PAUSE_S))
            self._looked_to = max(missing)

    def _check_gaps(self) -> list[Message]:
        """Return the messages found in gaps, and unreadable ones for entries that nobody receives."""
        found: list[Message] = []
        deadline = self._monotonic() + MOST_S
        size = 0
        for gap in self._gaps:
            if size >= MOST_BYTES or not gap.again_at <= self._monotonic() < deadline:
                continue
            gap.again_at = self._monotonic() + GAP_PAUSE_S
            gap.missing = {place for place in gap.missing if self._read_to is None or place > self._read_to}
            # Where reading fails, a later look tries again.
            with contextlib.suppress(WireError):
                found += self._check_gap(gap)
            size = sum(message.size for message in found)
        self._gaps = [gap for gap in self._gaps if gap.missing]
        return found

    def _check_gap(self, gap: _Gap) -> list[Message]:
        """Return the messages that a reader finds in one gap, and unreadable ones for entries that nobody receives.

        The reader begins before the gap: entries that were withheld from another reader, because of those read
        together with them, are sent to this one.
        """
        found: list[Message] = []
        size = 0
        silent = False
        start = _start(gap.before, LOOK_BACK)
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
                    # The broker delivers it when it is due.
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
            why = "the broker sends this entry to no consumer: it is a marker, or its transaction was aborted"
            for ledger, number in sorted(gap.missing):
                found.append(unreadable((Entry(MessageId(ledger, number, self._number), NO_METADATA, b""),), why))
            gap.missing = set()
        return found

    def overdue(self, now: float) -> Iterable[Message]:
        """Return the found messages in pieces that are overdue."""
        return self._pieces.overdue(now)

    def pieces_like(self, some: Sequence[Entry]) -> tuple[list[Entry], Position]:
        """Return the pieces near some others that belong to the same messages, and up to where it was read.

        The broker sends pieces to the consumer that had the first one, even where that consumer is gone.
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
                        # A broker that sent nothing up to the known entries is only slow.
                        all_given = reader.connected and left >= PATIENCE_S and reader.seen[:2] >= known
                        return found, FAR if all_given else reader.seen[:2]
                    if is_piece(entry) and entry.metadata.uuid in names and entry.permits == 1:
                        found.append(entry)
                        size += entry.size
                return found, reader.seen[:2]
        except WireError:
            return found, NOWHERE


def _start(position: Position, back: int = 0) -> MessageId:
    """Return where a reader begins for a position, so many entries before it, in its ledger."""
    return EARLIEST if position == NOWHERE else MessageId(position[0], max(0, position[1] - back))


def _signed(entry: int) -> int:
    return entry if entry < 2**63 else entry - 2**64
