"""Follows the topics in which orders end, while requests about orders come: an API that nobody uses costs nothing."""

from __future__ import annotations

import asyncio
import logging
from typing import Self

import pulsar

from alpes_wire import WireError
from api.orders.outcomes import FOLLOWED, Outcomes
from connection.client import Client
from connection.errors import PulsarError
from connection.tail import Tail

IDLE_S = 120.0
"""How long the topics are followed after the last request about an order."""
LOOK_S = 5.0
OPEN_S = 2.0
"""How long a request waits for the topics to be followed."""
AGAIN_S = 2.0
FAILURES = (pulsar.PulsarException, PulsarError, WireError, OSError)
"""What Pulsar's being away, or refusing, looks like."""
_log = logging.getLogger(__name__)


class Following:
    """A tail of the topics in which orders end, which is open while it is needed. It belongs to one event loop.

    Open it with `async with`.

    Parameters
    ----------
    client
        A Pulsar client.
    outcomes
        Takes what comes.
    """

    def __init__(self, client: Client, outcomes: Outcomes) -> None:
        self._client = client
        self._outcomes = outcomes
        self._tail: Tail | None = None
        self._opening: asyncio.Task[None] | None = None
        self._needed_at = 0.0
        self._again_at = 0.0

    async def __aenter__(self) -> Self:
        self._ending = asyncio.create_task(self._end_when_idle(), name="idle")
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [self._ending, *([self._opening] if self._opening else [])]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await self._close()

    async def needed(self) -> None:
        """Follow the topics from now on: what is published after this returns is seen, unless the broker is away."""
        self._needed_at = now = asyncio.get_running_loop().time()
        if self._tail is None and now >= self._again_at:
            if self._opening is None:
                self._opening = asyncio.create_task(self._open(), name="follow")
            await asyncio.wait([self._opening], timeout=OPEN_S)

    async def _open(self) -> None:
        try:
            self._tail = await asyncio.to_thread(_opened, self._client, self._outcomes)
        except FAILURES as error:
            _log.warning("The topics in which orders end can't be followed now: %s", error)
            self._again_at = asyncio.get_running_loop().time() + AGAIN_S
        finally:
            self._opening = None

    async def _close(self) -> None:
        tail, self._tail = self._tail, None
        if tail is not None:
            await asyncio.to_thread(tail.__exit__)
            self._outcomes.miss()

    async def _end_when_idle(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if asyncio.get_running_loop().time() - self._needed_at > IDLE_S:
                await self._close()


def _opened(client: Client, outcomes: Outcomes) -> Tail:
    return Tail(client, FOLLOWED, outcomes.take).__enter__()
