"""Reads what is published to topics from now on, with a reader for each partition: it leaves no subscription behind."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Self

from alpes_wire import EARLIEST, LATEST, Message, MessageId, Reader, WireError
from connection.client import Client
from schemas.tienda.topics import full_name

Handler = Callable[[str, Message, int], None]

WAIT_S = 0.2
"""How long a reader waits for a message before it looks whether it should stop."""
PAUSE_AFTER_ERROR_S = 0.5
MISSING = re.compile("topic not found|does not exist", re.IGNORECASE)
"""What a broker says of a topic that isn't there."""


class Tail:
    """Hands over each message of some topics, from the moment it is opened; a lost connection loses none.

    Parameters
    ----------
    client
        A connected Pulsar client.
    topics
        Short names, partitioned or not. One that isn't there is read from its start once it is. One that can't be
        opened for a moment is read from when it can.
    handle
        Called with the topic's short name, the message and the time of its arrival (nanoseconds since the epoch), from
        one thread per partition.
    """

    def __init__(self, client: Client, topics: Iterable[str], handle: Handler) -> None:
        self._client = client
        self._handle = handle
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(
                target=self._read,
                args=(topic, partition, *self._opened(partition, LATEST)),
                name=f"tail-{partition}",
                daemon=True,
            )
            for topic in topics
            for partition in client.get_topic_partitions(full_name(topic))
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join(2 * WAIT_S)

    def _opened(self, partition: str, start: MessageId) -> tuple[Reader | None, MessageId]:
        """Open a reader; without one, say from where the next attempt has to read."""
        try:
            return self._client.open_reader(partition, start), start
        except WireError as error:
            return None, EARLIEST if MISSING.search(str(error)) else start

    def _read(self, topic: str, partition: str, reader: Reader | None, start: MessageId) -> None:
        while reader is None and not self._stopping.wait(PAUSE_AFTER_ERROR_S):
            reader, start = self._opened(partition, start)
        if reader is None:
            return
        with closing(reader):
            while not self._stopping.is_set():
                message = reader.read(WAIT_S)
                if message is not None:
                    self._handle(topic, message, time.time_ns())
