"""Reads what a function has not acknowledged in one of its inputs: everything that was so when it was begun."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from alpes_wire import EARLIEST, Message, MessageId
from connection.admin import Admin
from connection.client import Client
from connection.reading import Position, last_position, partitions, position, read
from operations.reconcile.rules import Input
from schemas.tienda.topics import NAMESPACE, full_name

MOST_READ = 300_000
"""Messages of an input that are read for it; orders that wait for 30 days have 259,200 timers."""
_RANGE = re.compile(r"\((-?\d+):(-?\d+)\.\.(-?\d+):(-?\d+)\]")


class Cursor(NamedTuple):
    """Where a subscription stands in a partition.

    Attributes
    ----------
    mark : Position
        All up to here is acknowledged.
    starts, ends : list of Position
        So is what lies behind a start, up to its end; both sorted.
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
        """Whether what lies there is acknowledged."""
        number = bisect_left(self.ends, place)
        return place <= self.mark or (number < len(self.ends) and self.starts[number] < place)

    def acknowledged_behind(self, place: Position, end: Position) -> bool:
        """Whether all that lies behind a place is acknowledged, up to an end."""
        number = bisect_left(self.ends, end)
        return end <= max(self.mark, place) or (number < len(self.ends) and self.starts[number] <= place)


NEVER_READ = Cursor(Position(-1, -1), [], [])
"""Of a subscription that isn't there: everything waits."""


class IncompleteError(Exception):
    """Not all that waits was read: there is more than `MOST_READ`, or what came ends before its topic does."""


def unacknowledged(client: Client, admin: Admin, source: Input) -> Iterator[Message]:
    """Yield what an input's function has not acknowledged, delayed messages too; some of it may be by now.

    A message that causes another one in the same topic, a later attempt, is acknowledged once that one is published. So
    where each partition ends is asked after what is acknowledged: one of the two is always met.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.
    source
        The input.

    Raises
    ------
    IncompleteError
        After what was read, where that is not all.
    """
    cursors = {
        name: _cursor(admin, name, source.function) for name in client.get_topic_partitions(full_name(source.topic))
    }
    number = 0
    for partition in partitions(admin, source.topic):
        # A partition that was added meanwhile is read whole.
        cursor = cursors.get(partition.name, NEVER_READ)
        # An end of -1 is that of a partition without a message.
        if partition.end.entry < 0 or cursor.mark >= partition.end:
            continue
        read_to = cursor.mark
        for message in read(client, partition, start=_start(cursor)):
            number += 1
            if number > MOST_READ:
                raise IncompleteError
            read_to = max(read_to, last_position(message))
            if not cursor.acknowledged(position(message)):
                yield message
        # Some entries the broker gives nobody, and acknowledges itself.
        if not cursor.acknowledged_behind(read_to, partition.end):
            raise IncompleteError


def _start(cursor: Cursor) -> MessageId:
    if cursor.mark.ledger < 0:
        return EARLIEST
    # An entry of -1 is the place before a ledger's first message.
    return MessageId(cursor.mark.ledger, max(cursor.mark.entry, 0))


def _cursor(admin: Admin, partition: str, function: str) -> Cursor:
    name = partition.rsplit("/", 1)[-1]
    found = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{name}/internalStats")["cursors"].get(function)
    return Cursor.parse(found["markDeletePosition"], found["individuallyDeletedMessages"]) if found else NEVER_READ
