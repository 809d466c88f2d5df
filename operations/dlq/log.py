"""The log of what operators did with dead letters: the topic `dlq-bitacora`, with a message for each action.

A letter waits until the log has it. A message's key is the letter's id; its properties say what was done, by whom and
why. For a discarded letter the message carries the letter's payload and properties, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from alpes_wire import Message
from connection.admin import Admin
from connection.client import Client
from connection.publishing import ConfirmedPublisher
from connection.reading import key, partitions, properties, read
from operations.dlq.letters import Letter
from operations.errors import NotDeployedError
from schemas.tienda.topics import DLQ_BITACORA, full_name
from terminal.operator import now, operator

REPLAYED = "replayed"
DISCARDED = "discarded"

_ACTION = "bitacora.action"
_BY = "bitacora.by"
_AT = "bitacora.at"
_REASON = "bitacora.reason"
_KEY = "bitacora.key"


class Entry(NamedTuple):
    """What was done with a letter.

    Attributes
    ----------
    letter_id : str
        The letter.
    action : str
        `REPLAYED` or `DISCARDED`.
    at : str
        When, ISO 8601.
    by, reason : str
        Who did it, and why; empty if that wasn't said.
    """

    letter_id: str
    action: str
    at: str
    by: str
    reason: str


class Log:
    """Reads and writes the log.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.

    Raises
    ------
    NotDeployedError
        If there is no such topic.
    """

    def __init__(self, client: Client, admin: Admin) -> None:
        if DLQ_BITACORA not in admin.topics():
            raise NotDeployedError(
                f"Pulsar has no topic {DLQ_BITACORA}, which logs what was done with dead letters. "
                "Create it with ./deploy.sh deploy."
            )
        self._client = client
        self._admin = admin

    def dealt_with(self) -> set[str]:
        """Return the ids of all letters that were replayed or discarded."""
        return {key(message) for message in self._messages()}

    def entries(self, letter_id: str) -> list[Entry]:
        """Return what was done with a letter, the earliest first."""
        return [_entry(message) for message in self._messages() if key(message) == letter_id]

    def what_was_done(self) -> dict[str, str]:
        """Return, by letter id, what was done with each: `REPLAYED` if it ever was, else `DISCARDED`."""
        done: dict[str, str] = {}
        for message in self._messages():
            action = properties(message).get(_ACTION, DISCARDED)
            if done.get(key(message)) != REPLAYED:
                done[key(message)] = action
        return done

    def _messages(self) -> Iterator[Message]:
        for partition in partitions(self._admin, DLQ_BITACORA):
            yield from read(self._client, self._admin, partition)

    def writer(self, confirmed: Callable[[Letter], None], refused: Callable[[Letter, str], None]) -> Writer:
        """Open the log for writing; see `ConfirmedPublisher` for the parameters."""
        return Writer(ConfirmedPublisher(self._client, full_name(DLQ_BITACORA), confirmed, refused))


class Writer:
    """Adds to the log.

    Parameters
    ----------
    publisher
        Publishes to the log's topic.
    """

    def __init__(self, publisher: ConfirmedPublisher[Letter]) -> None:
        self._publisher = publisher
        self.by = operator()

    def replayed(self, letter: Letter) -> None:
        """Log that a letter was sent again."""
        self._publisher.publish(letter, b"", str(letter.id), self._what(REPLAYED, ""))

    def discarded(self, letter: Letter, reason: str) -> None:
        """Log that a letter was discarded, and keep all of it."""
        properties = {**letter.properties, **self._what(DISCARDED, reason), _KEY: letter.key}
        self._publisher.publish(letter, letter.payload, str(letter.id), properties)

    def _what(self, action: str, reason: str) -> dict[str, str]:
        return {_ACTION: action, _BY: self.by, _AT: now(), _REASON: reason}

    def finish(self) -> None:
        """Wait until all is confirmed or refused."""
        self._publisher.finish()

    def close(self) -> None:
        """Close the producer."""
        self._publisher.close()


def _entry(message: Message) -> Entry:
    said = properties(message)
    return Entry(key(message), *(said.get(name, "") for name in (_ACTION, _AT, _BY, _REASON)))
