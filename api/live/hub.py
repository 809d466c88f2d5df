"""Hands what is new to every open page, and follows the system only while there is one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

MOST_PAGES = 32
"""Open pages. Each costs a connection and a text a second."""
WAITING_TEXTS = 5
"""Texts that may wait for a slow page. When there are more, it is dropped, and connects again."""
LINGER_S = 10.0
"""How long following goes on without a page: one that is reloaded finds its plots as they were."""

Queue = asyncio.Queue[str | None]
"""Texts for a page; None ends it."""


class Source(Protocol):
    """What follows the system: `api.live.collector.Collector`."""

    def start(self) -> None:
        """Begin to follow."""

    def stop(self) -> None:
        """Stop, and wait for it."""

    def snapshot(self) -> dict[str, Any]:
        """Return all that is known."""


class Hub:
    """Shares one source between all pages; used on the event loop.

    Parameters
    ----------
    make_source
        Makes a source, given what it calls each second from a thread of its own.
    """

    def __init__(self, make_source: Callable[[Callable[[dict[str, Any]], None]], Source]) -> None:
        self._make_source = make_source
        self._pages: set[Queue] = set()
        self._source: Source | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._stops: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether no further page can be opened now."""
        return len(self._pages) >= MOST_PAGES

    @property
    def follows(self) -> bool:
        """Whether the system is being followed."""
        return self._source is not None

    @asynccontextmanager
    async def page(self) -> AsyncIterator[Queue]:
        """Open a page for the length of a `with` block, and yield the texts for it.

        Seconds that come before the snapshot are in it, too; the page leaves them out.
        """
        queue: Queue = asyncio.Queue(WAITING_TEXTS)
        self._pages.add(queue)
        try:
            source = self._following()
            snapshot = event("snapshot", await asyncio.to_thread(source.snapshot))
            if self._closed or queue.full():
                _end(queue)
            else:
                queue.put_nowait(snapshot)
            yield queue
        finally:
            self._pages.discard(queue)
            if not self._pages and self._source is not None and self._idle is None:
                self._idle = asyncio.get_running_loop().call_later(LINGER_S, self._stop_following)

    async def close(self) -> None:
        """End every page, and stop following."""
        self.end_pages()
        self._stop_following()
        await asyncio.gather(*self._stops)

    def end_pages(self) -> None:
        """End every page, those that are just being opened included."""
        self._closed = True
        for queue in self._pages:
            _end(queue)

    def _following(self) -> Source:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._source is None:
            loop = asyncio.get_running_loop()

            def told(new: dict[str, Any]) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(self._send, event("second", new))

            self._source = self._make_source(told)
            self._source.start()
        return self._source

    def _stop_following(self) -> None:
        self._idle = None
        if self._source is not None and (self._closed or not self._pages):
            stopping = asyncio.get_running_loop().create_task(asyncio.to_thread(self._source.stop))
            self._stops.add(stopping)
            stopping.add_done_callback(self._stops.discard)
            self._source = None

    def _send(self, text: str) -> None:
        for queue in list(self._pages):
            if queue.full():
                self._pages.discard(queue)
                _end(queue)
            else:
                queue.put_nowait(text)


def _end(queue: Queue) -> None:
    while not queue.empty():
        queue.get_nowait()
    queue.put_nowait(None)


def event(name: str, values: dict[str, Any]) -> str:
    """Return a server-sent event. JSON has no line breaks of its own."""
    return f"event: {name}\ndata: {json.dumps(values, separators=(',', ':'))}\n\n"
