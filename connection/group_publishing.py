"""Publishes messages in groups from an event loop, and says of each whether the broker has it.

A group is what came in while the group before was being confirmed, and after a large one a moment longer: each entry
costs the broker and every function behind it. Many messages share an entry under load, and none waits for others when
little comes in. An entry is confirmed as docs/decisions/0012 says: by a callback on its first
message, since it fails whole, and by one of the flush that ends it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import cycle
from typing import Any, NamedTuple, Self

import pulsar

from connection.client import Client
from connection.errors import NotPublishedError, UnconfirmedError

MOST_TOGETHER = 1_000
"""Most messages of an entry."""
MOST_BYTES = 4_000_000
"""Most bytes of payload, keys and properties in an entry; the broker's limit is 5 MiB with all metadata."""
OVERHEAD_BYTES = 64
"""Upper bound of the bytes that the client adds to each message."""
LARGE = 8
"""Messages of an entry after which others gather."""
GATHER_S = 0.01
"""How long they gather, at most; and no longer than half of what the entry took to be confirmed."""
CONFIRMATION_S = 10.0
"""How long the broker may take to confirm an entry."""
CONNECTION_S = 2.0
"""How long messages wait for a connection before they are refused."""
LOOK_S = 0.05
_NEVER_MS = 3_600_000


class _Waiting(NamedTuple):
    payload: bytes
    key: str
    properties: dict[str, str]
    confirmed: asyncio.Future[None]

    @property
    def size(self) -> int:
        named = sum(len(name) + len(value) for name, value in self.properties.items())
        return len(self.payload) + 4 * (len(self.key) + named) + OVERHEAD_BYTES


class _Confirmation:
    """Collects the two answers about an entry, which come from a thread of the library."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._left = 2
        self._failure = ""
        self.done: asyncio.Future[str] = self._loop.create_future()

    def __call__(self, result: Any, _message_id: Any = None) -> None:
        # An exception here would end the process. The loop may be closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._answered, result)

    def _answered(self, result: Any) -> None:
        self._left -= 1
        if result != pulsar.Result.Ok:
            self._failure = str(getattr(result, "name", None) or result)
        if not self._left and not self.done.done():
            self.done.set_result(self._failure)


class GroupPublisher:
    """Publishes to one topic. All its methods belong to one event loop.

    Open it with `async with`; at the end it publishes what waits, then closes. The broker may be away at any time.

    Parameters
    ----------
    client
        A Pulsar client.
    topic
        The topic's full name. Entries go to its partitions in turn.
    most_waiting
        Most messages that may wait to be published.
    """

    def __init__(self, client: Client, topic: str, *, most_waiting: int) -> None:
        self._client = client
        self._topic = topic
        self._most_waiting = most_waiting
        self._waiting: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._opening: asyncio.Task[list[Any]] | None = None
        self._producers: list[Any] = []
        self._turns: Iterator[Any] = iter(())

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name=f"publish-{self._topic}")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        self._arrived.set()
        await self._task
        await self._discard()

    @property
    def connected(self) -> bool:
        """Whether a message could be published now."""
        return bool(self._producers) and all(producer.is_connected() for producer in self._producers)

    def publish(self, payload: bytes, key: str, properties: Mapping[str, str]) -> asyncio.Future[None]:
        """Publish a message; return a future that is done once the broker has it.

        Raises
        ------
        NotPublishedError
            By itself if too many messages wait already, or by the future if the broker is away.
        UnconfirmedError
            By the future, if nobody knows whether the broker has the message.
        """
        if len(self._waiting) >= self._most_waiting:
            raise NotPublishedError(f"{len(self._waiting):,} messages wait for the broker already")
        confirmed = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(payload, key, dict(properties), confirmed))
        self._arrived.set()
        return confirmed

    async def _run(self) -> None:
        while not self._closing or self._waiting:
            if not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            elif not await self._connected():
                self._refuse("no broker answers")
            elif entry := self._taken():
                loop = asyncio.get_running_loop()
                began = loop.time()
                await self._publish(entry)
                if len(entry) >= LARGE and len(self._waiting) < MOST_TOGETHER and not self._closing:
                    await asyncio.sleep(min(GATHER_S, (loop.time() - began) / 2))

    async def _connected(self) -> bool:
        """Wait a bounded time for a connection."""
        loop = asyncio.get_running_loop()
        until = loop.time() + CONNECTION_S
        while not self.connected:
            if not self._producers and self._opening is None:
                self._opening = asyncio.create_task(asyncio.to_thread(self._open))
            if self._opening is not None and self._opening.done():
                opened, self._opening = self._opening, None
                if opened.exception() is None:
                    self._producers = opened.result()
                    self._turns = cycle(self._producers)
                    continue
            if loop.time() >= until:
                return False
            await asyncio.sleep(LOOK_S)
        return True

    def _open(self) -> list[Any]:
        return [
            self._client.create_producer(
                partition,
                send_timeout_millis=int(CONFIRMATION_S * 1000),
                batching_enabled=True,
                # No batch reaches these bounds: only a flush ends one.
                batching_max_publish_delay_ms=_NEVER_MS,
                batching_max_messages=2 * MOST_TOGETHER,
                batching_max_allowed_size_in_bytes=5_200_000,
                max_pending_messages=4 * MOST_TOGETHER,
                block_if_queue_full=False,
            )
            for partition in self._client.get_topic_partitions(self._topic)
        ]

    def _taken(self) -> list[_Waiting]:
        """Take the messages of the next entry, without those whose caller has gone."""
        entry: list[_Waiting] = []
        size = 0
        while self._waiting and len(entry) < MOST_TOGETHER:
            first = self._waiting[0]
            size += first.size
            if entry and size > MOST_BYTES:
                break
            self._waiting.popleft()
            if not first.confirmed.cancelled():
                entry.append(first)
        return entry

    async def _publish(self, entry: list[_Waiting]) -> None:
        confirmation = _Confirmation()
        try:
            producer = next(self._turns)
            callback: Any = confirmation
            for payload, key, properties, _ in entry:
                producer.send_async(payload, callback, properties, partition_key=key)
                callback = None
            # The library's own `flush` blocks.
            producer._producer.flush_async(confirmation)  # noqa: SLF001
            async with asyncio.timeout(CONFIRMATION_S + 1):
                failure = await confirmation.done
        except TimeoutError:
            failure = "no confirmation"
        except Exception as error:  # noqa: BLE001 - whatever it was, nobody knows what the broker has
            failure = str(error)
        if failure:
            # A failed batch never gives its permits back, so these producers are of no more use.
            await self._discard()
        for each in entry:
            if each.confirmed.done():
                continue
            if failure:
                each.confirmed.set_exception(UnconfirmedError(f"the broker has not confirmed it ({failure})"))
            else:
                each.confirmed.set_result(None)

    def _refuse(self, why: str) -> None:
        while self._waiting:
            confirmed = self._waiting.popleft().confirmed
            if not confirmed.done():
                confirmed.set_exception(NotPublishedError(why))

    async def _discard(self) -> None:
        producers, self._producers = self._producers, []
        if producers:
            await asyncio.to_thread(_close, producers)


def _close(producers: list[Any]) -> None:
    for producer in producers:
        with suppress(Exception):  # it is gone already, and nothing waits in it
            producer.close()
