"""Dead letters: their ids, and reading them from their topics."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from alpes_wire import Message, MessageId
from alpes_wire.names import DEAD_LETTER_SUFFIX, ERROR_FUNCTION, ERROR_MESSAGE, ERROR_TYPE, OMITTED
from connection.admin import Admin
from connection.client import Client
from connection.reading import Partition, key, partitions, properties, read
from operations.errors import MistypedError
from terminal.errors import CommandError

_ID = re.compile(
    r"(?P<topic>[\w.-]+):(?P<partition>-1|[0-9]{1,10}):(?P<ledger>[0-9]{1,19}):(?P<entry>[0-9]{1,19})(:(?P<batch>[0-9]{1,10}))?"
)
_MOST = {"partition": 2**31 - 1, "ledger": 2**63 - 1, "entry": 2**63 - 1, "batch": 2**31 - 1}
"""The highest numbers that Pulsar uses."""
_SHOWN_CHARS = 80


class UnknownLetterError(CommandError):
    """There is no such letter: look at `alpes dlq list`."""


class LetterId(NamedTuple):
    """A letter's id, which says where it lies. It never changes, and finds the letter without a search.

    Attributes
    ----------
    topic : str
        Short name of the topic that the letter's message came from; the letter lies in its dead-letter topic.
    partition, ledger, entry, batch : int
        As in Pulsar's message id; `batch` is -1 for a message of its own.
    """

    topic: str
    partition: int
    ledger: int
    entry: int
    batch: int

    def __str__(self) -> str:
        place = f"{self.topic}:{self.partition}:{self.ledger}:{self.entry}"
        return place if self.batch < 0 else f"{place}:{self.batch}"

    @classmethod
    def parse(cls, text: str) -> LetterId:
        """Read an id as `str` writes it.

        Raises
        ------
        MistypedError
            If the text is no id.

        Examples
        --------
        >>> LetterId.parse("crear-orden:0:47:12:3")
        LetterId(topic='crear-orden', partition=0, ledger=47, entry=12, batch=3)
        """
        found = _ID.fullmatch(text)
        numbers = {name: int(found[name] or -1) for name in _MOST} if found else {}
        if found is None or any(number > _MOST[name] for name, number in numbers.items()):
            shown = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
            raise MistypedError(f"{shown!r} is no letter's id, such as crear-orden:0:47:12. See alpes dlq list.")
        return cls(found["topic"], **numbers)


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter."""

    id: LetterId
    key: str
    payload: bytes
    properties: Mapping[str, str]
    published_ms: int

    @property
    def error_type(self) -> str:
        """Why its function gave it up, in a word."""
        return self.properties.get(ERROR_TYPE, "none given")

    @property
    def error_message(self) -> str:
        """Why its function gave it up."""
        return self.properties.get(ERROR_MESSAGE, "")

    @property
    def function(self) -> str:
        """The function that gave it up."""
        return self.properties.get(ERROR_FUNCTION, "")

    @property
    def payload_omitted(self) -> bool:
        """Whether the payload lies only in the topic that the message came from."""
        return OMITTED in self.properties


class DeadLetters:
    """Reads all dead-letter topics, up to where each ended when this object was made.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.
    """

    def __init__(self, client: Client, admin: Admin) -> None:
        self._client = client
        self._admin = admin
        self._partitions = [
            partition
            for topic in admin.topics()
            if topic.endswith(DEAD_LETTER_SUFFIX)
            for partition in partitions(admin, topic)
        ]

    @property
    def topics(self) -> list[str]:
        """Short names of the topics that have dead-letter topics, sorted."""
        return sorted({_source(partition) for partition in self._partitions})

    def __iter__(self) -> Iterator[Letter]:
        for partition in self._partitions:
            for message in read(self._client, self._admin, partition):
                yield letter_of(_source(partition), partition.number, message)

    def find(self, letter_id: LetterId) -> Letter:
        """Read one letter.

        Raises
        ------
        UnknownLetterError
            If there is none with this id.
        """
        for partition in self._partitions:
            if (_source(partition), partition.number) == (letter_id.topic, letter_id.partition):
                start = MessageId(letter_id.ledger, letter_id.entry)
                # If there is no such message, reading starts with the one after it.
                for message in read(self._client, self._admin, partition, start=start):
                    letter = letter_of(_source(partition), partition.number, message)
                    if letter.id == letter_id:
                        return letter
                    if letter.id > letter_id:
                        break
        raise UnknownLetterError(f"There is no dead letter {letter_id}. alpes dlq list shows those that wait.")


def _source(partition: Partition) -> str:
    return partition.topic.removesuffix(DEAD_LETTER_SUFFIX)


def letter_of(topic: str, partition: int, message: Message) -> Letter:
    """Return the letter that a message of a dead-letter topic is.

    Parameters
    ----------
    topic, partition
        Short name of the topic that the letter's message came from, and the number of the dead-letter topic's
        partition, -1 in a topic without partitions.
    message
        The message.
    """
    at = message.message_id()
    letter_id = LetterId(topic, partition, at.ledger_id(), at.entry_id(), at.batch_index())
    return Letter(letter_id, key(message), message.data(), properties(message), message.publish_timestamp())
