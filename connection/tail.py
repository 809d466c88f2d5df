"""Reads what is published to topics from now on, with a reader per partition, which leaves no subscription behind."""

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
"""How long a reader waits for a message before it checks whether to stop."""
PAUSE_AFTER_ERROR_S = 0.5
MISSING = re.compile("topic not found|does not exist", re.IGNORECASE)
"""What a broker says about a topic that doesn't exist."""


class Tail:
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
        """Open a reader, or return None; return, too, where the next attempt has to start."""
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
