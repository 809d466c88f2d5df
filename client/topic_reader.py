"""Reads what lies in topics, up to where they end now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pulsar

from client.admin import Admin
from client.errors import UnreachableError
from client.topics import NAMESPACE, full_name

RECEIVER_QUEUE = 5_000
PATIENCE_MILLISECONDS = 30_000
"""How long a message that the broker has announced may take."""


class Position(NamedTuple):
    """Where a message lies in a partition; a later one compares as higher."""

    ledger: int
    entry: int


class Partition(NamedTuple):
    """A partition of a topic, and where it ends.

    Attributes
    ----------
    topic : str
        The topic's short name.
    name : str
        The partition's full name, as one reads it.
    number : int
        Its number, -1 in a topic without partitions.
    end : Position
        Its last message when it was asked for.
    """

    topic: str
    name: str
    number: int
    end: Position


def position(message: pulsar.Message) -> Position:
    """Give where a message lies."""
    message_id = message.message_id()
    return Position(message_id.ledger_id(), message_id.entry_id())


def key(message: pulsar.Message) -> str:
    """Give a message's key; empty where it isn't UTF-8."""
    try:
        return str(message.partition_key())
    except UnicodeDecodeError:
        return ""


def properties(message: pulsar.Message) -> dict[str, str]:
    """Give a message's properties; none where they aren't UTF-8."""
    try:
        return dict(message.properties())
    except UnicodeDecodeError:
        return {}


def partitions(client: pulsar.Client, admin: Admin, topic: str) -> list[Partition]:
    """Give a topic's partitions and where each ends now.

    Parameters
    ----------
    client, admin
        Connected.
    topic
        Its short name; the topic must exist: asking for another one might create it.
    """
    found = []
    for name in client.get_topic_partitions(full_name(topic)):
        _, mark, number = name.rpartition("-partition-")
        last = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{name.rsplit('/', 1)[-1]}/lastMessageId")
        end = Position(int(last["ledgerId"]), int(last["entryId"]))
        found.append(Partition(topic, name, int(number) if mark else -1, end))
    return found


def read(
    client: pulsar.Client,
    partition: Partition,
    *,
    start: pulsar.MessageId | None = None,
    since_ms: int | None = None,
) -> Iterator[pulsar.Message]:
    """Read a partition up to its end.

    Parameters
    ----------
    client
        A connected client.
    partition
        What to read; what is published after its `end` is left out.
    start
        The first message to read; without, the partition's first.
    since_ms
        Begin instead with what was published at this time (Unix milliseconds). Whole entries are found by it, so some
        earlier messages may come first.

    Raises
    ------
    UnreachableError
        If a message that the broker has announced does not come.
    """
    if partition.end.entry < 0:
        return
    reader = client.create_reader(
        partition.name,
        start or pulsar.MessageId.earliest,
        receiver_queue_size=RECEIVER_QUEUE,
        start_message_id_inclusive=True,
    )
    try:
        if since_ms is not None:
            reader.seek(since_ms)
        while reader.has_message_available():
            try:
                message = reader.read_next(PATIENCE_MILLISECONDS)
            except pulsar.Timeout as problem:
                seconds = PATIENCE_MILLISECONDS // 1000
                raise UnreachableError(f"{partition.name} has a message that did not come in {seconds} s.") from problem
            if position(message) > partition.end:
                return
            yield message
    finally:
        reader.close()
