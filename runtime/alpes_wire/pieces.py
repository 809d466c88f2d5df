"""Assembles messages that were sent in pieces (Pulsar's chunks), from many senders at once, in bounded memory."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from .errors import Unreadable
from .message import Entry, Message
from .unpacking import plain, unreadable

MAX_MESSAGE_BYTES = 8_000_000
"""Largest message in pieces. A larger one couldn't be published again, not even as a dead letter."""
MAX_WAITING_BYTES = 32_000_000
"""Most bytes of pieces that wait for others. Beyond it, the message that has waited longest is given up."""
MAX_WAITING_PIECES = 10_000
"""The same as a number of pieces: a piece may be empty."""
MOST_LOOKS = 3
"""How often missing pieces are looked for where one look can't read far enough."""
FAR = (2**63, 0)
"""A position behind every entry."""
PATIENCE_S = 10.0
"""How long a message waits for its next piece. A sender publishes the pieces right after one another."""


def is_piece(entry: Entry) -> bool:
    """Return whether an entry claims to be a piece of a message; the broker treats even an impossible claim as one.

    An entry that claims to be the only piece is a whole message.
    """
    metadata = entry.metadata
    return metadata.HasField("num_chunks_from_msg") and (metadata.num_chunks_from_msg, metadata.chunk_id) != (1, 0)


def _whole(piece: Entry) -> tuple[bytes, int, int, bytes]:
    """Return what a piece says of its message."""
    metadata = piece.metadata
    return metadata.uuid, metadata.num_chunks_from_msg, metadata.total_chunk_msg_size, metadata.producer_name


class _Incomplete:
    __slots__ = ("again", "arrived", "bytes", "looks", "pieces")

    def __init__(self) -> None:
        self.pieces: dict[int, Entry] = {}
        self.again: list[Entry] = []
        self.bytes = 0
        self.arrived = 0.0
        self.looks = 0

    def found(self, others: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the missing pieces among ``others``. A topic has pieces in the order of their numbers."""
        for number in range(next(iter(self.pieces.values())).metadata.num_chunks_from_msg):
            if number in self.pieces:
                continue
            after = max((entry.id for n, entry in self.pieces.items() if n < number), default=None)
            before = min((entry.id for n, entry in self.pieces.items() if n > number), default=None)
            fitting = [
                entry
                for entry in others
                if entry.metadata.chunk_id == number
                and (after is None or entry.id > after)
                and (before is None or entry.id < before)
                and self.takes(entry)
            ]
            if not fitting:
                return
            # Take the nearest: a restarted sender may have used the same name before or after.
            yield min(fitting, key=lambda e: e.id) if after is not None else max(fitting, key=lambda e: e.id)

    def takes(self, entry: Entry) -> bool:
        """Return whether a piece belongs here: all pieces agree on the whole, and a repeated piece is identical."""
        other = next(iter(self.pieces.values()), entry)
        known = self.pieces.get(entry.metadata.chunk_id)
        return _whole(entry) == _whole(other) and (
            known is None or known.id == entry.id or known.payload == entry.payload
        )

    def add(self, entry: Entry) -> None:
        number = entry.metadata.chunk_id
        if number in self.pieces:
            # Its sender may have reconnected and sent the piece twice.
            self.again.append(entry)
        else:
            self.pieces[number] = entry
        self.bytes += entry.size

    def entries(self) -> tuple[Entry, ...]:
        """Return the pieces in order, then the repeated ones: all are acknowledged together."""
        return (*(self.pieces[number] for number in sorted(self.pieces)), *self.again)


class Pieces:
    """The incomplete messages of one input, the longest-waiting one first.

    Parameters
    ----------
    others
        Finds missing pieces. It gets one piece of each overdue message, and returns the pieces that the topic has of
        these messages and the ledger and entry up to which it has read.
    """

    def __init__(
        self, others: Callable[[Sequence[Entry]], tuple[Sequence[Entry], tuple[int, int]]] = lambda _: ((), FAR)
    ) -> None:
        self._others = others
        self._waiting: dict[bytes, _Incomplete] = {}
        self._bytes = 0
        self._count = 0

    def add(self, entry: Entry, now: float) -> Iterator[Message]:
        """Add a piece; yield the message that it completes, and messages that are given up as unreadable.

        Parameters
        ----------
        entry
            The piece; its metadata may be wrong.
        now
            Seconds of a clock that never goes back.
        """
        metadata = entry.metadata
        number, count = metadata.chunk_id, metadata.num_chunks_from_msg
        if not 0 <= number < count:
            yield unreadable((entry,), f"piece {number} of a message of {count} pieces")
            return
        if entry.permits != 1:
            # The broker delivers waiting pieces again, and each time would count more permits than one for this.
            yield unreadable((entry,), f"piece {number} of a message, and a batch of {entry.permits:,}")
            return
        if metadata.uuid in self._waiting and not self._waiting[metadata.uuid].takes(entry):
            # A restarted sender numbers its messages from the start.
            yield self._given_up(metadata.uuid, "then another message came under the same name")
        waiting = self._waiting.pop(metadata.uuid, None) or _Incomplete()
        self._waiting[metadata.uuid] = waiting
        waiting.add(entry)
        waiting.arrived = now
        self._bytes += entry.size
        self._count += 1
        if waiting.bytes > MAX_MESSAGE_BYTES:
            problem = f"a message in {count} pieces of more than {MAX_MESSAGE_BYTES:,} bytes"
            yield self._given_up(metadata.uuid, problem)
        elif len(waiting.pieces) == count:
            yield self._complete(metadata.uuid)
        while self._bytes > MAX_WAITING_BYTES or self._count > MAX_WAITING_PIECES:
            yield self._given_up(next(iter(self._waiting)), "it waited for pieces while too many others did")

    def overdue(self, now: float) -> Iterator[Message]:
        """Yield messages that have waited too long: complete where the topic has all pieces, else as unreadable."""
        late = [uuid for uuid, waiting in self._waiting.items() if now - waiting.arrived >= PATIENCE_S]
        if not late:
            return
        late.sort(key=lambda uuid: self._waiting[uuid].entries()[0].id)
        others, reached = self._others([self._waiting[uuid].entries()[0] for uuid in late])
        for uuid in late:
            waiting = self._waiting[uuid]
            count = waiting.entries()[0].metadata.num_chunks_from_msg
            for entry in waiting.found(others):
                waiting.add(entry)
                self._bytes += entry.size
                self._count += 1
            # A message beyond the last entry read is looked for the next time.
            waiting.looks += waiting.entries()[0].id[:2] <= reached
            if len(waiting.pieces) == count:
                yield self._complete(uuid)
            elif waiting.entries()[-1].id[:2] <= reached or waiting.looks >= MOST_LOOKS:
                yield self._given_up(uuid, f"the others did not come within {PATIENCE_S:.0f} s")
            else:
                # This look didn't read far enough: the message waits once more.
                waiting.arrived = now

    def forget(self) -> None:
        """Forget all pieces: the broker delivers them again."""
        self._waiting.clear()
        self._bytes = self._count = 0

    def __len__(self) -> int:
        return self._count

    def _taken(self, uuid: bytes) -> _Incomplete:
        waiting = self._waiting.pop(uuid)
        self._bytes -= waiting.bytes
        self._count -= len(waiting.pieces) + len(waiting.again)
        return waiting

    def _complete(self, uuid: bytes) -> Message:
        waiting = self._taken(uuid)
        entries = waiting.entries()
        metadata = entries[0].metadata
        payload = b"".join(entry.payload for entry in entries[: len(waiting.pieces)])
        try:
            message = Message(entries, metadata, plain(metadata, payload))
        except Unreadable as error:
            return unreadable(entries, str(error), payload)
        message.size = max(waiting.bytes, len(message.data()))
        for entry in entries:
            entry.payload = b""
        return message

    def _given_up(self, uuid: bytes, why: str) -> Message:
        waiting = self._taken(uuid)
        entries = waiting.entries()
        there = sorted(waiting.pieces)
        count = entries[0].metadata.num_chunks_from_msg
        which = ", ".join(str(number + 1) for number in there[:10]) + (", …" if len(there) > 10 else "")
        return unreadable(entries, f"only piece {which} of {count} pieces of a message: {why}")
