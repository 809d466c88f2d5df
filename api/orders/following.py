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
        self._opening = asyncio.Lock()
        self._needed_at = 0.0

    async def __aenter__(self) -> Self:
        self._ending = asyncio.create_task(self._end_when_idle(), name="idle")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.cancel()
        await asyncio.wait([self._ending])
        await self._close()

    async def needed(self) -> None:
        """Follow the topics from now on, if that is possible: what is published after this returns is seen."""
        self._needed_at = asyncio.get_running_loop().time()
        if self._tail is not None:
            return
        async with self._opening:
            if self._tail is None:
                try:
                    self._tail = await asyncio.to_thread(self._open)
                except FAILURES as error:
                    _log.warning("The topics in which orders end can't be followed now: %s", error)

    def _open(self) -> Tail:
        return Tail(self._client, FOLLOWED, self._outcomes.take).__enter__()

    async def _close(self) -> None:
        tail, self._tail = self._tail, None
        if tail is not None:
            await asyncio.to_thread(tail.__exit__)

    async def _end_when_idle(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if asyncio.get_running_loop().time() - self._needed_at > IDLE_S:
                await self._close()
