"""Tells whether all that waits in an input is timers, by reading what its function hasn't acknowledged.

The tables don't say how many timers wait: after a crash there may be several of a window, or some of windows that are
closed already.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import NamedTuple

import pulsar

from client.admin import Admin
from client.reconcile.rules import Input
from client.topic_reader import Partition, Position, key, partitions, position, read
from client.topics import NAMESPACE, TIMER_KEY

MOST_READ = 300_000
"""Messages that are read for it; orders that wait for 30 days have 259,200 timers."""
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


def only_timers(client: pulsar.Client, admin: Admin, source: Input, least: int) -> bool:
    """Tell whether what an input's function hasn't acknowledged is all timers.

    Parameters
    ----------
    client, admin
        Connected.
    source
        The input.
    least
        How much waits, as far as is known. Where less is found, or there is too much to read, the answer is no.
    """
    entries = messages = 0
    for partition in partitions(client, admin, source.topic):
        cursor = _cursor(admin, partition, source.function)
        if cursor is None:
            return False
        last = cursor.mark
        # An entry of -1 is the place before a ledger's first message.
        start = pulsar.MessageId(partition.number, cursor.mark.ledger, max(cursor.mark.entry, 0), -1)
        for message in read(client, partition, start=start):
            messages += 1
            if messages > MOST_READ:
                return False
            place = position(message)
            if cursor.acknowledged(place):
                continue
            if not key(message).startswith(TIMER_KEY):
                return False
            # Pulsar counts what waits in entries, which may be of several messages.
            entries += place != last
            last = place
    return entries >= least


def _cursor(admin: Admin, partition: Partition, function: str) -> Cursor | None:
    name = partition.name.rsplit("/", 1)[-1]
    found = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{name}/internalStats")["cursors"].get(function)
    return None if found is None else Cursor.parse(found["markDeletePosition"], found["individuallyDeletedMessages"])
