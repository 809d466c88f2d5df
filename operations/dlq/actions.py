"""Sends dead letters again, or discards them, and logs it.

A replay publishes a letter to the topic that it came from, waits for the confirmation, and only then logs it: no letter
is logged that was not sent. If it is killed in between, or two operators replay at once, a letter is sent twice. That
is harmless, since functions are idempotent.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pulsar

from alpes_wire import Message, MessageId, WireError
from alpes_wire.names import SOURCE_MESSAGE_ID, SOURCE_TOPIC
from connection.client import Client
from connection.errors import PulsarError
from connection.publishing import Publishers
from connection.reading import PATIENCE_S, key
from operations.dlq import history
from operations.dlq.letters import Letter
from operations.dlq.log import Log, Writer
from schemas.tienda.topics import full_name
from terminal.errors import CommandError
from terminal.operator import now

MAX_MESSAGE_BYTES = 5_200_000
"""A message above this is sent again without its history: the broker takes 5 MiB, metadata included."""


class NotReplayableError(CommandError):
    """One letter can't be sent again; others may."""


@dataclass
class ActionResult:
    """What became of the chosen letters.

    Attributes
    ----------
    done : int
        Letters that were sent or discarded, and logged.
    unnoted : int
        Letters that were sent again but could not be logged: they still show as waiting.
    failures : Counter of str
        Letters that were neither sent nor discarded, by reason.
    examples : dict of str to str
        The id of one letter for each reason.
    unread : str
        Why further letters could not be read, which are unchanged; empty if all were read.
    stopped : bool
        Whether it was interrupted; the other letters are unchanged.
    """

    done: int = 0
    unnoted: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    unread: str = ""
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether every chosen letter was sent or discarded, and logged."""
        return not (self.unnoted or self.failures or self.unread or self.stopped)

    def failed(self, letter: Letter, reason: str) -> None:
        """Count a letter that was neither sent nor discarded."""
        self.failures[reason] += 1
        self.examples.setdefault(reason, str(letter.id))


def replay(
    client: Client,
    log: Log,
    letters: Iterable[Letter],
    stop: threading.Event,
    tick: Callable[[int], None],
) -> ActionResult:
    """Send letters to the topics they came from, each with its key, its properties and its history.

    Parameters
    ----------
    client
        A connected client.
    log
        The log of what was done.
    letters
        The letters to send.
    stop
        When this is set, finish what was begun and return.
    tick
        Called with the number of letters done.
    """
    outcome = ActionResult()

    def logged(_letter: Letter) -> None:
        outcome.done += 1

    def not_logged(_letter: Letter, _reason: str) -> None:
        outcome.unnoted += 1

    writer = log.writer(logged, not_logged)
    publishers = Publishers(client, writer.replayed, outcome.failed)
    try:
        for letter in _readable(letters, outcome):
            if stop.is_set():
                outcome.stopped = True
                break
            try:
                payload, message_key = _original(client, letter)
            except NotReplayableError as error:
                outcome.failed(letter, str(error))
                continue
            publishers.publish(letter.id.topic, letter, payload, message_key, _properties(letter, payload, writer.by))
            tick(outcome.done)
        publishers.finish()
        writer.finish()
        tick(outcome.done)
    finally:
        publishers.close()
        writer.close()
    return outcome


def discard(
    log: Log, letters: Iterable[Letter], reason: str, stop: threading.Event, tick: Callable[[int], None]
) -> ActionResult:
    """Discard letters, and keep each one whole in the log; see `replay` for the other parameters.

    Parameters
    ----------
    reason
        The reason to log.
    """
    outcome = ActionResult()

    def logged(_letter: Letter) -> None:
        outcome.done += 1

    writer: Writer = log.writer(logged, outcome.failed)
    try:
        for letter in _readable(letters, outcome):
            if stop.is_set():
                outcome.stopped = True
                break
            writer.discarded(letter, reason)
            tick(outcome.done)
        writer.finish()
        tick(outcome.done)
    finally:
        writer.close()
    return outcome


def _readable(letters: Iterable[Letter], outcome: ActionResult) -> Iterator[Letter]:
    """Yield letters as far as they can be read. If not even the first one can, nothing was done yet: raise why."""
    begun = False
    try:
        for letter in letters:
            begun = True
            yield letter
    except (pulsar.PulsarException, PulsarError, WireError) as error:
        if not begun:
            raise
        outcome.unread = str(error)


def _properties(letter: Letter, payload: bytes, by: str) -> dict[str, str]:
    properties = history.replayed(letter.properties, str(letter.id), now(), by)
    size = len(payload) + sum(len(k.encode()) + len(v.encode()) for k, v in properties.items())
    return properties if size <= MAX_MESSAGE_BYTES else history.own(letter.properties)


def _original(client: Client, letter: Letter) -> tuple[bytes, str]:
    """Return a message's payload and key, from the topic that it came from if the letter had no room for them."""
    if not letter.payload_omitted:
        return letter.payload, letter.key
    topic = letter.id.topic
    if letter.properties.get(SOURCE_TOPIC) != full_name(topic):
        raise NotReplayableError(f"the letter has no payload, and does not say that its message lies in {topic}")
    place = letter.properties.get(SOURCE_MESSAGE_ID, "")
    try:
        ledger, entry, partition, batch = (int(number) for number in place.strip("()").split(","))
        if not (0 <= ledger < 2**63 and 0 <= entry < 2**63 and -1 <= partition < 2**31 and -1 <= batch < 2**31):
            raise ValueError(place)
        message_id = MessageId(ledger, entry, partition, batch)
    except (ValueError, TypeError) as error:
        raise NotReplayableError("the letter has no payload, and does not say where its message lies") from error
    name = full_name(topic) if partition < 0 else f"{full_name(topic)}-partition-{partition}"
    try:
        message = _message_at(client, name, message_id)
    except WireError as error:
        raise NotReplayableError(f"its message can't be read from {topic} ({error})") from error
    if message is None:
        raise NotReplayableError(
            f"its message can't be read from {topic}: retention has dropped it, or the broker withholds it"
        )
    return message.data(), key(message)


def _message_at(client: Client, name: str, message_id: MessageId) -> Message | None:
    # Reading starts with the first message of the entry.
    with closing(client.open_reader(name, message_id._replace(place=-1))) as reader:
        while (message := reader.read(PATIENCE_S)) is not None and message.message_id()[:2] == message_id[:2]:
            if message.message_id().place == message_id.place:
                return message
    return None
