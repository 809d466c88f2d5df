"""Reads all that a function had not acknowledged in one of its inputs when the reading began."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from alpes_wire import EARLIEST, Message, MessageId
from connection.admin import Admin
from connection.client import Client
from connection.errors import PartlyReadError
from connection.reading import Position, internal_stats, last_position, partitions, position, read
from operations.reconcile.rules import Input
from schemas.tienda.topics import full_name

MOST_READ = 300_000
"""The most messages of an input that are read; orders that wait for 30 days have 259,200 timers."""
_RANGE = re.compile(r"\((-?\d+):(-?\d+)\.\.(-?\d+):(-?\d+)\]")


class Cursor(NamedTuple):
    """Where a subscription stands in a partition.

    Attributes
    ----------
    mark : Position
        All up to here is acknowledged.
    starts, ends : list of Position
        Everything after a start, up to its end, is acknowledged, too. Both are sorted.
    """

    mark: Position
    starts: list[Position]
    ends: list[Position]

    @classmethod
    def parse(cls, mark: str, ranges: str) -> Cursor:
        """Read `markDeletePosition` and `individuallyDeletedMessages` of Pulsar's internal statistics.

        Examples
        --------
        >>> Cursor.parse("12:3", "[(12:5..12:7]]").acknowledged(Position(12, 6))
        True
        """
        ledger, _, entry = mark.partition(":")
        found = sorted(tuple(int(number) for number in numbers) for numbers in _RANGE.findall(ranges))
        starts = [Position(*numbers[:2]) for numbers in found]
        return cls(Position(int(ledger), int(entry)), starts, [Position(*numbers[2:]) for numbers in found])

    def acknowledged(self, place: Position) -> bool:
        """Return whether the entry at a place is acknowledged."""
        number = bisect_left(self.ends, place)
        return place <= self.mark or (number < len(self.ends) and self.starts[number] < place)

    def acknowledged_behind(self, place: Position, end: Position) -> bool:
        """Return whether every entry after a place, up to an end, is acknowledged."""
        number = bisect_left(self.ends, end)
        return end <= max(self.mark, place) or (number < len(self.ends) and self.starts[number] <= place)


NEVER_READ = Cursor(Position(-1, -1), [], [])
"""The cursor of a subscription that doesn't exist: everything waits."""


class IncompleteError(Exception):
    """Not all that waits was read: there is more than `MOST_READ`, or the broker withholds some of it."""


def unacknowledged(client: Client, admin: Admin, source: Input) -> Iterator[Message]:
    """Yield the messages that an input's function has not acknowledged, also delayed ones; some may be by now.

    A message that causes a later attempt in the same topic is acknowledged once that attempt is published. The cursors
    are read before the partitions' ends, so one of the two messages is always found.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.
    source
        The input.

    Raises
    ------
    IncompleteError
        After what was read, if that is not all.
    """
    cursors = {
        name: _cursor(admin, name, source.function) for name in client.get_topic_partitions(full_name(source.topic))
    }
    number = 0
    for partition in partitions(admin, source.topic):
        # A partition that was added meanwhile is read whole.
        cursor = cursors.get(partition.name, NEVER_READ)
        # The end of a partition without a message is -1.
        if partition.end.entry < 0 or cursor.mark >= partition.end:
            continue
        read_to = cursor.mark
        # What was read is enough where all behind it is acknowledged.
        with suppress(PartlyReadError):
            for message in read(client, admin, partition, start=_start(cursor)):
                number += 1
                if number > MOST_READ:
                    raise IncompleteError
                read_to = max(read_to, last_position(message))
                if not cursor.acknowledged(position(message)):
                    yield message
        # The broker withholds some entries, and acknowledges them itself.
        if not cursor.acknowledged_behind(read_to, partition.end):
            raise IncompleteError


def _start(cursor: Cursor) -> MessageId:
    if cursor.mark.ledger < 0:
        return EARLIEST
    # An entry of -1 is the place before a ledger's first message.
    return MessageId(cursor.mark.ledger, max(cursor.mark.entry, 0))


def _cursor(admin: Admin, partition: str, function: str) -> Cursor:
    # A partition that was deleted has nothing that could wait.
    stats = admin.find(internal_stats(partition)) or {"cursors": {}}
    found = stats["cursors"].get(function)
    return Cursor.parse(found["markDeletePosition"], found["individuallyDeletedMessages"]) if found else NEVER_READ
