"""Sends dead letters again, or discards them; a letter is noted in the log only once that is safe.

Replaying: published to the topic it came from, confirmed, then noted. Stopped or killed in between, or done by two
operators at once, a letter is sent twice, and functions take a message that comes twice as one. None is noted that was
not sent.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field

import pulsar

from alpes_wire import Message, MessageId, WireError
from alpes_wire.names import SOURCE_MESSAGE_ID, SOURCE_TOPIC
from connection.client import Client
from connection.publishing import ConfirmedPublisher
from connection.reading import PATIENCE_S, key
from operations.dlq import history
from operations.dlq.letters import Letter
from operations.dlq.log import Log, Writer, now
from schemas.tienda.topics import full_name
from terminal.errors import CommandError

MAX_MESSAGE_BYTES = 5_200_000
"""A message above this is sent again without its history: the broker takes 5 MiB, metadata included."""


class NotReplayableError(CommandError):
    """A letter can't be sent again; others can."""


@dataclass
class ActionResult:
    """What became of the chosen letters.

    Attributes
    ----------
    done : int
        Letters dealt with and noted in the log.
    unnoted : int
        Letters sent again that the log could not be told of: they still show as open.
    failures : Counter of str
        Letters not dealt with, by reason.
    examples : dict of str to str
        A letter's id for some of the reasons.
    stopped : bool
        Whether it was interrupted; the rest is as it was.
    """

    done: int = 0
    unnoted: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    stopped: bool = False

    @property
    def complete(self) -> bool:
        """Whether every chosen letter was dealt with and noted."""
        return not (self.unnoted or self.failures or self.stopped)

    def failed(self, letter: Letter, reason: str) -> None:
        """Count a letter that was not dealt with."""
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
        Where each is noted.
    letters
        Which.
    stop
        Finish what was begun and return, when this is set.
    tick
        Called with the number of letters done.
    """
    outcome = ActionResult()

    def noted(_letter: Letter) -> None:
        outcome.done += 1

    def not_noted(_letter: Letter, _reason: str) -> None:
        outcome.unnoted += 1

    writer = log.writer(noted, not_noted)
    publishers = _Publishers(lambda topic: ConfirmedPublisher(client, topic, writer.replayed, outcome.failed))
    try:
        for letter in letters:
            if stop.is_set():
                outcome.stopped = True
                break
            try:
                publisher = publishers.of(letter)
                payload, message_key = _original(client, letter)
            except NotReplayableError as error:
                outcome.failed(letter, str(error))
                continue
            publisher.publish(letter, payload, message_key, _properties(letter, payload, writer.by))
            tick(outcome.done)
        publishers.finish()
        writer.finish()
        tick(outcome.done)
    finally:
        publishers.close()
        writer.close()
    return outcome


class _Publishers:
    """One for each topic that a letter is sent to, opened for the first one."""

    def __init__(self, open_to: Callable[[str], ConfirmedPublisher[Letter]]) -> None:
        self._open_to = open_to
        self._opened: dict[str, ConfirmedPublisher[Letter]] = {}
        self._refused: dict[str, str] = {}

    def of(self, letter: Letter) -> ConfirmedPublisher[Letter]:
        """Give the publisher for a letter; raises `NotReplayableError` where its topic can't be written to."""
        topic = letter.id.topic
        if topic not in self._opened and topic not in self._refused:
            try:
                self._opened[topic] = self._open_to(full_name(topic))
            except pulsar.PulsarException as error:
                self._refused[topic] = f"nothing can be sent to {topic} ({error}): is the topic there?"
        if topic in self._refused:
            raise NotReplayableError(self._refused[topic])
        return self._opened[topic]

    def finish(self) -> None:
        for publisher in self._opened.values():
            publisher.finish()

    def close(self) -> None:
        for publisher in self._opened.values():
            publisher.close()


def discard(
    log: Log, letters: Iterable[Letter], reason: str, stop: threading.Event, tick: Callable[[int], None]
) -> ActionResult:
    """Give letters up, keeping all of each in the log; see `replay` for the parameters.

    Parameters
    ----------
    reason
        Why, for the log.
    """
    outcome = ActionResult()

    def noted(_letter: Letter) -> None:
        outcome.done += 1

    writer: Writer = log.writer(noted, outcome.failed)
    try:
        for letter in letters:
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


def _properties(letter: Letter, payload: bytes, by: str) -> dict[str, str]:
    properties = history.replayed(letter.properties, str(letter.id), now(), by)
    size = len(payload) + sum(len(k.encode()) + len(v.encode()) for k, v in properties.items())
    return properties if size <= MAX_MESSAGE_BYTES else history.own(letter.properties)


def _original(client: Client, letter: Letter) -> tuple[bytes, str]:
    """Give the message's payload and key, from the topic that it came from where the letter has no room for it."""
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
            f"its message can't be had from {topic}: retention has dropped it, or the broker gives it to nobody"
        )
    return message.data(), key(message)


def _message_at(client: Client, name: str, message_id: MessageId) -> Message | None:
    # Reading begins with the first message of the entry.
    with closing(client.open_reader(name, message_id._replace(place=-1))) as reader:
        while (message := reader.read(PATIENCE_S)) is not None and message.message_id()[:2] == message_id[:2]:
            if message.message_id().place == message_id.place:
                return message
    return None
