"""Sets an entry aside: its messages become dead letters, and the function isn't given it again.

The letters are published and confirmed before the entry is acknowledged. If this is stopped in between, the function
may still take the messages, which is harmless: functions are idempotent.
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
from connection.reading import PATIENCE_S, Partition, Position, internal_stats, key, partitions, properties
from operations.dlq.actions import MAX_MESSAGE_BYTES
from operations.dlq.history import SET_ASIDE
from operations.errors import MistypedError
from schemas.tienda.topics import NAMESPACE, RETRY_SUFFIX, full_name
from terminal.errors import CommandError
from terminal.operator import operator

_PLACE = re.compile(r"\(?(\d{1,19})[:,](\d{1,19})(?:[:,](-?\d{1,10}))?(?:[:,]-?\d{1,10})?\)?")
_HIGHEST = 2**63 - 1


class NotSetAsideError(CommandError):
    """The entry is as it was; the error says why."""


def place(text: str) -> MessageId:
    """Parse a message id as logs, dead letters and Pulsar's own programs write it.

    Raises
    ------
    MistypedError
        If the text is no message id.

    Examples
    --------
    >>> place("(47,12,0,-1)") == place("47:12:0")
    True
    """
    found = _PLACE.fullmatch(text)
    if found is None or max(int(found[1]), int(found[2])) > _HIGHEST:
        raise MistypedError(f"{text[:80]!r} is no message id, such as 47:12, or 47:12:0 with the partition.")
    return MessageId(int(found[1]), int(found[2]), int(found[3] or -1))


def set_aside(
    client: Client, admin: Admin, topic: str, entry: MessageId, reason: str, subscription: str | None = None
) -> int:
    """Publish the messages of an entry as dead letters, and acknowledge the entry.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.
    topic
        Short name of the input.
    entry
        Its id. Without a partition's number, the topic must have a single partition.
    reason
        The reason, for the letters.
    subscription
        The subscription to acknowledge it for; None for the only one.

    Returns
    -------
    int
        The number of letters.

    Raises
    ------
    MistypedError, NotSetAsideError
        If the entry isn't set aside.
    """
    partition = _partition(admin, topic, entry)
    function = _subscription(admin, partition, subscription)
    why = {ERROR_TYPE: SET_ASIDE, ERROR_FUNCTION: function, ERROR_MESSAGE: f"set aside by {operator()}: {reason}"}
    letters = _letters(client, admin, partition, entry)
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
        raise MistypedError(f"There is no topic {topic}.")
    wanted = [each for each in found if entry.number < 0 or each.number == entry.number]
    if len(wanted) != 1:
        numbers = ", ".join(str(each.number) for each in found)
        raise MistypedError(f"{topic} has the partitions {numbers}: name one, such as 47:12:{found[0].number}.")
    if Position(entry.ledger, entry.entry) > wanted[0].end:
        end = f"{wanted[0].end.ledger}:{wanted[0].end.entry}"
        raise MistypedError(f"{topic} has no entry {entry.ledger}:{entry.entry}: it ends with {end}.")
    return wanted[0]


def _subscription(admin: Admin, partition: Partition, wanted: str | None) -> str:
    stats: Any = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{partition.name.rsplit('/', 1)[-1]}/stats")
    there = sorted(name for name, each in stats["subscriptions"].items() if each.get("durable", True))
    if wanted is None and len(there) == 1:
        return str(there[0])
    if wanted not in there:
        shown = ", ".join(there) or "none"
        raise MistypedError(f"Name the subscription with --subscription; {partition.topic} has: {shown}.")
    return str(wanted)


class _Letter(NamedTuple):
    topic: str
    key: str
    payload: bytes
    properties: dict[str, str]


def _letters(client: Client, admin: Admin, partition: Partition, entry: MessageId) -> list[_Letter]:
    at = MessageId(entry.ledger, entry.entry, partition.number)
    with closing(client.open_reader(partition.name, at)) as reader:
        found = []
        while (message := reader.read(PATIENCE_S)) is not None and message.message_id()[:2] == at[:2]:
            found.append(message)
        found += [message for message in reader.rest() if message.message_id()[:2] == at[:2]]
    if not found and not _exists(admin, partition, entry):
        raise MistypedError(f"{partition.topic} has no entry {entry.ledger}:{entry.entry}.")
    # Of an entry that the broker withholds, only the place is known.
    return [_letter(partition, message) for message in found] or [_letter_of(full_name(partition.topic), str(at))]


def _exists(admin: Admin, partition: Partition, entry: MessageId) -> bool:
    """Return whether a place before a partition's end has an entry; of the last ledger, Pulsar counts none."""
    entries = {each["ledgerId"]: each["entries"] for each in admin.get(internal_stats(partition.name))["ledgers"]}
    return entry.ledger in entries and (entry.ledger == partition.end.ledger or entry.entry < entries[entry.ledger])


def _letter(partition: Partition, message: Message) -> _Letter:
    own = properties(message)
    topic, lies_at = full_name(partition.topic), str(message.message_id())
    if partition.topic.endswith(RETRY_SUFFIX):
        # A later attempt: a replay sends it to the topic that it first came from.
        topic, lies_at = own.get(SOURCE_TOPIC, topic), own.get(SOURCE_MESSAGE_ID, lies_at)
    letter = _letter_of(topic, lies_at, own.get(ATTEMPT, "1"))
    if len(message.data()) + sum(len(k) + len(v) for k, v in own.items()) > MAX_MESSAGE_BYTES:
        return letter._replace(properties=letter.properties | {OMITTED: str(len(message.data()))})
    del letter.properties[OMITTED]
    return letter._replace(key=key(message), payload=message.data(), properties=own | letter.properties)


def _letter_of(topic: str, lies_at: str, attempt: str = "1") -> _Letter:
    said = {SOURCE_TOPIC: topic, SOURCE_MESSAGE_ID: lies_at, ATTEMPT: attempt, OMITTED: "0"}
    return _Letter(topic, "", b"", said)
