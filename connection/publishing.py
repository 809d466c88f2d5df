"""Publishes messages and tracks which of them Pulsar confirms."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

import pulsar

from connection.client import Client
from connection.errors import PulsarError
from schemas.tienda.topics import full_name

T = TypeVar("T")

WINDOW = 4_000
"""The most messages that wait for confirmation."""
WINDOW_BYTES = 64_000_000
SEND_TIMEOUT_S = 30
CONFIRMATION_TIMEOUT_S = SEND_TIMEOUT_S + 10
POLL_S = 0.001


class _Answer(NamedTuple):
    number: int
    result: Any


class ConfirmedPublisher(Generic[T]):
    """Publishes to one topic. After the first failure it publishes nothing more, and refuses what is left.

    Parameters
    ----------
    client
        A connected client.
    topic
        Its full name.
    confirmed
        Called with each item that Pulsar has confirmed, by this object's methods, never from another thread.
    refused
        Called likewise with each item that Pulsar hasn't confirmed, and why. Pulsar may have it even so.
    """

    def __init__(
        self,
        client: Client,
        topic: str,
        confirmed: Callable[[T], None],
        refused: Callable[[T, str], None],
    ) -> None:
        self._confirmed = confirmed
        self._refused = refused
        self._pending: dict[int, tuple[T, int]] = {}
        self._bytes = 0
        self._number = 0
        # The library's thread appends to it; a deque needs no lock for that.
        self._answers: deque[_Answer] = deque()
        self._last_answer = time.monotonic()
        self.failed = False
        self._producer = client.create_producer(
            topic,
            send_timeout_millis=SEND_TIMEOUT_S * 1000,
            batching_enabled=True,
            batching_max_publish_delay_ms=5,
            # The library limits a batch by its payloads alone, and loses one that its properties make too big for the
            # broker. Of so few messages the largest properties fit.
            batching_max_messages=32,
            max_pending_messages=2 * WINDOW,
            max_pending_messages_across_partitions=4 * WINDOW,
        )

    def publish(self, item: T, payload: bytes, key: str, properties: Mapping[str, str]) -> None:
        """Publish a message, after waiting while too many are unconfirmed."""
        size = len(payload) + sum(len(name) + len(value) for name, value in properties.items())
        self._settle()
        while self._pending and (len(self._pending) >= WINDOW or self._bytes + size > WINDOW_BYTES):
            time.sleep(POLL_S)
            self._settle()
        if self.failed:
            self._refused(item, "not sent, because an earlier message failed")
            return
        self._number += 1
        number, answers = self._number, self._answers
        if not self._pending:
            self._last_answer = time.monotonic()
        self._pending[number] = (item, size)
        self._bytes += size

        def answered(result: Any, _message_id: Any) -> None:
            answers.append(_Answer(number, result))

        try:
            self._producer.send_async(payload, answered, dict(properties), partition_key=key or None)
        except Exception as error:  # noqa: BLE001 - whatever it was, this message is not sent
            answers.append(_Answer(number, error))

    def finish(self) -> None:
        """Wait until each message is confirmed or refused."""
        while self._pending:
            self._settle()
            time.sleep(POLL_S)

    def close(self) -> None:
        """Close the producer; what is not confirmed by then may have arrived or not."""
        with suppress(pulsar.PulsarException):  # it is gone already
            self._producer.close()

    def _settle(self) -> None:
        while self._answers:
            answer = self._answers.popleft()
            self._last_answer = time.monotonic()
            self._end(answer.number, answer.result)
        if self._pending and time.monotonic() - self._last_answer > CONFIRMATION_TIMEOUT_S:
            for number in list(self._pending):
                self._end(number, "no confirmation")

    def _end(self, number: int, result: Any) -> None:
        item, size = self._pending.pop(number, (None, 0))
        if item is None:
            return
        self._bytes -= size
        if result == pulsar.Result.Ok:
            self._confirmed(item)
            return
        # A message that is too big fails alone; any other failure would meet the next message too.
        self.failed = self.failed or result != pulsar.Result.MessageTooBig
        self._refused(item, str(getattr(result, "name", None) or result))


class Publishers(Generic[T]):
    """A `ConfirmedPublisher` for each topic, opened for the first item that is published there.

    If one can't be opened, the items of its topic are refused, and those of others go on.

    Parameters
    ----------
    client, confirmed, refused
        See `ConfirmedPublisher`.
    """

    def __init__(self, client: Client, confirmed: Callable[[T], None], refused: Callable[[T, str], None]) -> None:
        self._client = client
        self._confirmed = confirmed
        self._refused = refused
        self._opened: dict[str, ConfirmedPublisher[T]] = {}
        self._closed: dict[str, str] = {}

    def publish(self, topic: str, item: T, payload: bytes, key: str, properties: Mapping[str, str]) -> None:
        """Publish a message to a topic, given by its short name."""
        if topic not in self._opened and topic not in self._closed:
            try:
                self._opened[topic] = ConfirmedPublisher(self._client, full_name(topic), self._confirmed, self._refused)
            except (pulsar.PulsarException, PulsarError) as error:
                self._closed[topic] = f"nothing can be sent to {topic} ({str(error).rstrip('.')})"
        if topic in self._closed:
            self._refused(item, self._closed[topic])
        else:
            self._opened[topic].publish(item, payload, key, properties)

    def finish(self) -> None:
        """Wait until each message is confirmed or refused."""
        for publisher in self._opened.values():
            publisher.finish()

    def close(self) -> None:
        """Close the producers; what is not confirmed by then may have arrived or not."""
        for publisher in self._opened.values():
            publisher.close()
