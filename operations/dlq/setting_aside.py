"""Takes an entry out of a function's way: it becomes a dead letter, and the function isn't given it again.

First the letter, confirmed; then the acknowledgement. Stopped in between, the function may still take the message, and
takes it as one however often it comes.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import Any, NamedTuple

from alpes_wire import Message, MessageId
from alpes_wire.names import (
    ATTEMPT,
    DEAD_LETTER_SUFFIX,
    ERROR_FUNCTION,
    ERROR_MESSAGE,
    ERROR_TYPE,
    OMITTED,
    SOURCE_MESSAGE_ID,
    SOURCE_TOPIC,
)
from connection.admin import Admin
from connection.client import Client
from connection.publishing import ConfirmedPublisher
from connection.reading import PATIENCE_S, Partition, Position, key, partitions, properties
from operations.dlq.actions import MAX_MESSAGE_BYTES
from operations.dlq.history import SET_ASIDE
from operations.dlq.log import operator
from schemas.tienda.topics import NAMESPACE, RETRY_SUFFIX, full_name
from terminal.errors import CommandError

_PLACE = re.compile(r"\(?(\d{1,19})[:,](\d{1,19})(?:[:,](-?\d{1,10}))?(?:[:,]-?\d{1,10})?\)?")
_HIGHEST = 2**63 - 1


class MistypedPlaceError(CommandError):
    """What was given is no message id, or names nothing that is there: the message says what it looks like."""

    exit_code = 2


class NotSetAsideError(CommandError):
    """The entry is as it was: the message says why."""


def place(text: str) -> MessageId:
    """Read a message id as logs, dead letters and Pulsar's own programs write it.

    Raises
    ------
    MistypedPlaceError
        If it is none.

    Examples
    --------
    >>> place("(47,12,0,-1)") == place("47:12:0")
    True
    """
    found = _PLACE.fullmatch(text)
    if found is None or max(int(found[1]), int(found[2])) > _HIGHEST:
        raise MistypedPlaceError(f"{text[:80]!r} is no message id: it looks like 47:12, or 47:12:0 with the partition.")
    return MessageId(int(found[1]), int(found[2]), int(found[3] or -1))


def set_aside(
    client: Client, admin: Admin, topic: str, entry: MessageId, reason: str, subscription: str | None = None
) -> int:
    """Make the messages of an entry dead letters, and acknowledge it.

    Parameters
    ----------
    client, admin
        Connected.
    topic
        Short name of the input.
    entry
        Where it lies; without a partition's number in the only partition that there is.
    reason
        Why, for the letter.
    subscription
        Whose; None for the only one that there is.

    Returns
    -------
    int
        How many letters it became.

    Raises
    ------
    MistypedPlaceError, NotSetAsideError
        Nothing was done.
    """
    partition = _partition(admin, topic, entry)
    function = _subscription(admin, partition, subscription)
    why = {ERROR_TYPE: SET_ASIDE, ERROR_FUNCTION: function, ERROR_MESSAGE: f"set aside by {operator()}: {reason}"}
    letters = _letters(client, partition, entry)
    refused: list[str] = []
    for home in {letter.topic for letter in letters}:
        publisher: ConfirmedPublisher[None] = ConfirmedPublisher(
            client, f"{home}{DEAD_LETTER_SUFFIX}", lambda _: None, lambda _, why: refused.append(why)
        )
        with closing(publisher):
            for letter in letters:
                if letter.topic == home:
                    publisher.publish(None, letter.payload, letter.key, letter.properties | why)
            publisher.finish()
    if refused:
        raise NotSetAsideError(f"The dead-letter topic of {topic} does not take the letter: {refused[0]}.")
    client.acknowledge(partition.name, function, entry)
    return len(letters)


def _partition(admin: Admin, topic: str, entry: MessageId) -> Partition:
    found = partitions(admin, topic)
    if not found:
        raise MistypedPlaceError(f"There is no topic {topic}.")
    wanted = [each for each in found if entry.number < 0 or each.number == entry.number]
    if len(wanted) != 1:
        numbers = ", ".join(str(each.number) for each in found)
        raise MistypedPlaceError(f"{topic} has the partitions {numbers}: name one, such as 47:12:{found[0].number}.")
    if Position(entry.ledger, entry.entry) > wanted[0].end:
        end = f"{wanted[0].end.ledger}:{wanted[0].end.entry}"
        raise MistypedPlaceError(f"{topic} has no entry {entry.ledger}:{entry.entry}: it ends with {end}.")
    return wanted[0]


def _subscription(admin: Admin, partition: Partition, wanted: str | None) -> str:
    stats: Any = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{partition.name.rsplit('/', 1)[-1]}/stats")
    there = sorted(name for name, each in stats["subscriptions"].items() if each.get("durable", True))
    if wanted is None and len(there) == 1:
        return str(there[0])
    if wanted not in there:
        shown = ", ".join(there) or "none"
        raise MistypedPlaceError(f"Say whose entry it is with --subscription; {partition.topic} has: {shown}.")
    return str(wanted)


class _Letter(NamedTuple):
    topic: str
    key: str
    payload: bytes
    properties: dict[str, str]


def _letters(client: Client, partition: Partition, entry: MessageId) -> list[_Letter]:
    at = MessageId(entry.ledger, entry.entry, partition.number)
    with closing(client.open_reader(partition.name, at)) as reader:
        found = []
        while (message := reader.read(PATIENCE_S)) is not None and message.message_id()[:2] == at[:2]:
            found.append(message)
        found += [message for message in reader.rest() if message.message_id()[:2] == at[:2]]
    # What the broker gives nobody has no message: only where it lies is known.
    return [_letter(partition, message) for message in found] or [_letter_of(full_name(partition.topic), str(at))]


def _letter(partition: Partition, message: Message) -> _Letter:
    own = properties(message)
    topic, lies_at = full_name(partition.topic), str(message.message_id())
    if partition.topic.endswith(RETRY_SUFFIX):
        # A later attempt: it is sent again to where it first came from.
        topic, lies_at = own.get(SOURCE_TOPIC, topic), own.get(SOURCE_MESSAGE_ID, lies_at)
    letter = _letter_of(topic, lies_at, own.get(ATTEMPT, "1"))
    if len(message.data()) + sum(len(k) + len(v) for k, v in own.items()) > MAX_MESSAGE_BYTES:
        return letter._replace(properties=letter.properties | {OMITTED: str(len(message.data()))})
    del letter.properties[OMITTED]
    return letter._replace(key=key(message), payload=message.data(), properties=own | letter.properties)


def _letter_of(topic: str, lies_at: str, attempt: str = "1") -> _Letter:
    said = {SOURCE_TOPIC: topic, SOURCE_MESSAGE_ID: lies_at, ATTEMPT: attempt, OMITTED: "0"}
    return _Letter(topic, "", b"", said)
