"""Reads what is published to topics from now on, with a reader for each partition: it leaves no subscription behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Self

import pulsar

from client.topics import full_name

Handler = Callable[[str, pulsar.Message, int], None]

# How long a reader waits for a message before it looks whether it should stop.
WAIT_MILLISECONDS = 200
PAUSE_AFTER_ERROR_SECONDS = 0.5
# Publish times are the publishers': their clocks may be behind ours.
CLOCK_TOLERANCE_MILLISECONDS = 5_000


class Tail:
    """Hands over each message of some topics, from the moment it is opened.

    A reader that loses its connection before its first message starts again at the end, and what was published
    meanwhile escapes it: `rewind` brings that back, and everything since the opening a second time.

    Parameters
    ----------
    client
        A connected Pulsar client.
    topics
        Short names, partitioned or not.
    handle
        Called with the topic's short name, the message and the time of its arrival (nanoseconds since the epoch; its
        time of publication once rewound), from one thread per partition.
    """

    def __init__(self, client: pulsar.Client, topics: Iterable[str], handle: Handler) -> None:
        self._handle = handle
        self._stopping = threading.Event()
        self._opened_at_ms = time.time_ns() // 1_000_000
        self._rewinds = 0
        self._threads = [
            threading.Thread(
                target=self._read,
                args=(topic, client.create_reader(partition, pulsar.MessageId.latest)),
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
            thread.join(2 * WAIT_MILLISECONDS / 1000)

    def rewind(self) -> None:
        """Read everything published since the opening once more."""
        self._rewinds += 1

    def _read(self, topic: str, reader: pulsar.Reader) -> None:
        rewound = 0
        while not self._stopping.is_set():
            try:
                if rewound != self._rewinds:
                    rewound = self._rewinds
                    reader.seek(self._opened_at_ms - CLOCK_TOLERANCE_MILLISECONDS)
                message = reader.read_next(WAIT_MILLISECONDS)
            except pulsar.Timeout:
                continue
            except pulsar.PulsarException:
                # The library reconnects by itself; until then there is nothing to read.
                self._stopping.wait(PAUSE_AFTER_ERROR_SECONDS)
                continue
            arrived_ns = message.publish_timestamp() * 1_000_000 if rewound else time.time_ns()
            self._handle(topic, message, arrived_ns)
