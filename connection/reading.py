"""Reads topics up to where they end now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from alpes_wire import EARLIEST, Message, MessageId, Reader, WireError
from connection.admin import Admin
from connection.client import Client
from connection.errors import ForbiddenError, PartlyReadError, UnreachableError
from schemas.tienda.topics import NAMESPACE, full_name

PATIENCE_S = 5.0
"""How long to wait for the next message."""
SECOND_PATIENCE_S = 2.0
"""The same for a reader that replaces one that got nothing: the broker has just answered it."""
MISSING = re.compile("topic not found|does not exist", re.IGNORECASE)
"""What a broker says about a topic or a partition that doesn't exist."""


_PARTITION = re.compile(r"-partition-\d+$")


class Position(NamedTuple):
    """A place in a partition; a later one compares as higher."""

    ledger: int
    entry: int


class Partition(NamedTuple):
    """A partition of a topic, and where it ends.

    Attributes
    ----------
    topic : str
        The topic's short name.
    name : str
        The partition's full name, by which it is read.
    number : int
        Its number, -1 in a topic without partitions.
    end : Position
        The place of its last message when this was asked.
    """

    topic: str
    name: str
    number: int
    end: Position


def position(message: Message) -> Position:
    """Return where a message lies."""
    message_id = message.message_id()
    return Position(message_id.ledger_id(), message_id.entry_id())


def last_position(message: Message) -> Position:
    """Return the place of a message's last entry: a message may be in pieces."""
    return max(Position(*entry.id[:2]) for entry in message.entries)


def key(message: Message) -> str:
    """Return a message's key; empty if it isn't UTF-8."""
    try:
        return str(message.partition_key())
    except UnicodeDecodeError:
        return ""


def properties(message: Message) -> dict[str, str]:
    """Return a message's properties; none if they aren't UTF-8."""
    try:
        return dict(message.properties())
    except UnicodeDecodeError:
        return {}


def partitions(admin: Admin, topic: str) -> list[Partition]:
    """Return a topic's partitions, and where each ends now; none if the topic doesn't exist.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    topic
        Its short name.
    """
    found = []
    for name in _stored(admin, topic):
        _, mark, number = name.rpartition("-partition-")
        partition = int(number) if mark and number.isdigit() else -1
        stats = admin.find(internal_stats(name))
        if stats is not None:
            found.append(Partition(topic, name, partition, _parsed(stats["lastConfirmedEntry"])))
    return found


def internal_stats(name: str) -> str:
    """Return the path at which the admin API tells a partition's ledgers and cursors; the name may be a full one."""
    return f"/admin/v2/persistent/{NAMESPACE}/{name.rsplit('/', 1)[-1]}/internalStats"


def _parsed(place: str) -> Position:
    ledger, entry = place.split(":")
    return Position(int(ledger), int(entry))


def _stored(admin: Admin, topic: str) -> list[str]:
    """Return the full names of what is stored under a topic's short name: its partitions, or the topic itself.

    An operator, or a broker, may delete a topic. The next message to it creates it again, often without partitions or
    with one that nobody declared: they are returned, too, if this role may list the namespace's topics.
    """
    try:
        names = admin.get(f"/admin/v2/persistent/{NAMESPACE}")
    except ForbiddenError:
        count = admin.partitions_of(topic)
        return [f"{full_name(topic)}-partition-{number}" for number in range(count)] or [full_name(topic)]
    return sorted(name for name in names if _PARTITION.sub("", name.rpartition("/")[2]) == topic)


def start_at(admin: Admin, partition: Partition, since_ms: int | None) -> MessageId:
    """Return where to start reading what was published since a time (Unix milliseconds), or somewhat earlier."""
    if since_ms is None:
        return EARLIEST
    name = partition.name.rsplit("/", 1)[-1]
    first = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{name}/messageid/{since_ms}")
    return MessageId(int(first["ledgerId"]), max(0, int(first["entryId"])))


def start_of_newest(admin: Admin, partition: Partition, entries: int) -> MessageId:
    """Return where to start reading so that at most so many entries are read; `EARLIEST` for a topic that has fewer."""
    left = entries - (partition.end.entry + 1)
    if left <= 0:
        return MessageId(partition.end.ledger, -left)
    ledgers = admin.get(internal_stats(partition.name))["ledgers"]
    before = [each for each in ledgers if each["ledgerId"] < partition.end.ledger]
    if sum(each["entries"] for each in before) > left:
        for ledger in reversed(before):
            if ledger["entries"] >= left:
                return MessageId(int(ledger["ledgerId"]), int(ledger["entries"]) - left)
            left -= ledger["entries"]
    return EARLIEST


def read(client: Client, admin: Admin, partition: Partition, *, start: MessageId = EARLIEST) -> Iterator[Message]:
    """Yield a partition's messages up to its end; one that can't be read has a `problem`, and its bytes as stored.

    A partition that was deleted since it was listed has none.

    Parameters
    ----------
    client
        A connected client.
    admin
        Pulsar's admin API, which is asked whether the broker itself has read what it doesn't send.
    partition
        What to read. What is published after its `end` is left out, and what the broker withholds from every reader.
    start
        Where to begin.

    Raises
    ------
    UnreachableError
        If the connection is lost for longer than `PATIENCE_S`.
    PartlyReadError
        If the broker itself can't read on to the end.
    """
    if partition.end.entry < 0:
        return
    try:
        yield from _read(client, admin, partition, start)
    except WireError as error:
        if not MISSING.search(str(error)):
            raise


def _read(client: Client, admin: Admin, partition: Partition, start: MessageId) -> Iterator[Message]:
    silent, patience, withheld = False, PATIENCE_S, True
    last: MessageId | None = None
    while start == EARLIEST or start[:2] <= partition.end:
        with closing(client.open_reader(partition.name, start)) as reader:
            while reader.seen[:2] < partition.end and (message := reader.read(patience)) is not None:
                if position(message) > partition.end:
                    return
                silent, patience, withheld = False, PATIENCE_S, True
                yield message
            yield from reader.rest()
            if not reader.connected:
                raise UnreachableError(f"{partition.name} could not be read for {PATIENCE_S:.0f} s.")
            # The broker withholds the rest, or is only slow: then it answers another reader.
            if reader.seen[:2] >= partition.end:
                return
            if reader.seen.ledger >= 0:
                last = reader.seen
                start = MessageId(last.ledger, last.entry + 1)
            withheld = withheld and _read_by_broker(admin, partition, reader)
        if silent:
            if not withheld:
                raise PartlyReadError(
                    f"{partition.name} could not be read to its end at {partition.end.ledger}:{partition.end.entry}, "
                    f"only to {f'{last.ledger}:{last.entry}' if last else 'its start'}: the broker itself reads no "
                    "further. See that all bookies answer, and try again."
                )
            return
        silent, patience = True, SECOND_PATIENCE_S


def _read_by_broker(admin: Admin, partition: Partition, reader: Reader) -> bool:
    """Return whether the broker has read up to a partition's end for a reader, or the partition is gone."""
    stats = admin.find(internal_stats(partition.name))
    if stats is None:
        return True
    cursor = stats["cursors"].get(reader.subscription)
    return cursor is not None and _parsed(cursor["readPosition"]) > partition.end
