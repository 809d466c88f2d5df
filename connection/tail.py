"""Reads what is published to topics from now on, with a reader per partition, which leaves no subscription behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any, Generic, Self, TypeVar

import pulsar

from alpes_wire import EARLIEST, LATEST, Entry, Message, MessageId, Reader, WireError
from connection.client import Client
from connection.reading import MISSING
from schemas.tienda.topics import full_name

Taken = TypeVar("Taken")
Handler = Callable[[str, Taken, int], Any]

WAIT_S = 0.2
"""How long a reader waits for a message before it checks whether to stop."""
PAUSE_AFTER_ERROR_S = 0.5
NEW_PARTITIONS_S = 30.0
"""How often to look for partitions that were added; the functions look as often."""


class _Tail(Generic[Taken]):
    """See `Tail` and `EntryTail`."""

    def __init__(self, client: Client, topics: Iterable[str], handle: Handler[Taken]) -> None:
        self._client = client
        self._handle = handle
        self._stopping = threading.Event()
        self._topics = list(topics)
        self._readers: dict[str, Reader | None] = {}
        self._threads = [threading.Thread(target=self._look, name="tail-new", daemon=True), *self._new(LATEST)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in list(self._threads):
            thread.join(2 * WAIT_S)

    @property
    def connected(self) -> bool:
        """Whether every partition is being read now."""
        return all(reader is not None and reader.connected for reader in list(self._readers.values()))

    @staticmethod
    def _take(reader: Reader, seconds: float) -> Taken | None:
        raise NotImplementedError

    def _new(self, start: MessageId) -> Iterator[threading.Thread]:
        """Yield threads that will read the partitions that none reads yet."""
        for topic in self._topics:
            for partition in self._client.get_topic_partitions(full_name(topic)):
                if partition not in self._readers:
                    arguments = (topic, partition, *self._opened(partition, start))
                    yield threading.Thread(target=self._read, args=arguments, name=f"tail-{partition}", daemon=True)

    def _look(self) -> None:
        """Read partitions that are added later, too, from their start."""
        while not self._stopping.wait(NEW_PARTITIONS_S):
            # The broker may be away; then the next look finds them.
            with suppress(pulsar.PulsarException):
                for thread in self._new(EARLIEST):
                    self._threads.append(thread)
                    thread.start()

    def _opened(self, partition: str, start: MessageId) -> tuple[Reader | None, MessageId]:
        """Open a reader, or return None; return, too, where the next attempt has to start."""
        try:
            reader = self._client.open_reader(partition, start)
        except WireError as error:
            self._readers[partition] = None
            return None, EARLIEST if MISSING.search(str(error)) else start
        self._readers[partition] = reader
        return reader, start

    def _read(self, topic: str, partition: str, reader: Reader | None, start: MessageId) -> None:
        while reader is None and not self._stopping.wait(PAUSE_AFTER_ERROR_S):
            reader, start = self._opened(partition, start)
        if reader is None:
            return
        with closing(reader):
            while not self._stopping.is_set():
                taken = self._take(reader, WAIT_S)
                if taken is not None:
                    self._handle(topic, taken, time.time_ns())


class Tail(_Tail[Message]):
    """Hands over each message of some topics, from the moment it is opened; a lost connection loses none.

    Parameters
    ----------
    client
        A connected Pulsar client.
    topics
        Short names of topics, partitioned or not. A topic that doesn't exist yet is read from its start once it does.
        A topic that can't be opened yet is read from the moment it can.
    handle
        Called with the topic's short name, the message and the time of its arrival (nanoseconds since the epoch), from
        one thread per partition.
    """

    @staticmethod
    def _take(reader: Reader, seconds: float) -> Message | None:
        return reader.read(seconds)


class EntryTail(_Tail[Entry]):
    """Hands over each entry as it is stored, for readers that don't need every message of it; see `Tail`."""

    @staticmethod
    def _take(reader: Reader, seconds: float) -> Entry | None:
        return reader.entry(seconds)
