"""Reads the newest dead letters that lie in their topics and wait, without reading much more than these."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from alpes_wire import EARLIEST, Message
from alpes_wire.names import DEAD_LETTER_SUFFIX
from api.live.letters import KEPT, WaitingLetter
from connection.admin import Admin
from connection.client import Client
from connection.reading import Partition, key, partitions, read, start_at, start_of_newest
from operations.dlq.letters import letter_of
from schemas.tienda.topics import DLQ_BITACORA

CLOCK_TOLERANCE_MS = 60_000
"""The log's publish times are from the operators' clocks, the letters' from the functions'."""


@dataclass
class Scan:
    """What was found.

    Attributes
    ----------
    letters : list of WaitingLetter
        Letters that wait.
    older : bool
        Whether a topic has older letters, which were not read.
    """

    letters: list[WaitingLetter] = field(default_factory=list)
    older: bool = False


def waiting_letters(client: Client, admin: Admin, stop: threading.Event) -> Scan:
    """Return the newest letters of each dead-letter topic that wait; fewer if `stop` is set meanwhile.

    Raises
    ------
    PulsarError
        If Pulsar doesn't answer.
    """
    found = Scan()
    for topic in admin.topics():
        if not topic.endswith(DEAD_LETTER_SUFFIX):
            continue
        for partition in partitions(admin, topic):
            start = start_of_newest(admin, partition, KEPT)
            found.older = found.older or start != EARLIEST
            source = topic.removesuffix(DEAD_LETTER_SUFFIX)
            newest: deque[WaitingLetter] = deque(maxlen=KEPT)
            for message in _until(read(client, admin, partition, start=start), stop):
                found.older = found.older or len(newest) == KEPT
                newest.append(WaitingLetter.of(letter_of(source, partition.number, message)))
            found.letters += newest
    done = _dealt_with(client, admin, found.letters, stop)
    found.letters = [letter for letter in found.letters if letter.id not in done]
    return found


def _dealt_with(client: Client, admin: Admin, letters: list[WaitingLetter], stop: threading.Event) -> set[str]:
    """Return the ids in the operators' log since the oldest of these letters."""
    if not letters:
        return set()
    since_ms = max(1, min(letter.since_ms for letter in letters) - CLOCK_TOLERANCE_MS)
    log: list[Partition] = partitions(admin, DLQ_BITACORA)
    return {
        key(message)
        for partition in log
        if partition.end.entry >= 0
        for message in _until(read(client, admin, partition, start=start_at(admin, partition, since_ms)), stop)
    }


def _until(messages: Iterator[Message], stop: threading.Event) -> Iterator[Message]:
    for message in messages:
        if stop.is_set():
            return
        yield message
