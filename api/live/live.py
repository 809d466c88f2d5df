"""Puts the live page together: what follows the system, who hears of it, and what replays a letter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.live.collector import Collector
from api.live.hub import Hub
from api.live.replaying import Replayed, replay_letter
from api.settings import Settings
from operations.dlq.letters import LetterId


class Live:
    """The live page of one process.

    Parameters
    ----------
    service_url, admin_url
        Pulsar's two addresses.

    Attributes
    ----------
    hub : Hub
        Where pages are opened.
    one_replay : asyncio.Lock
        Held by who replays: each replay opens a connection of its own.
    """

    def __init__(self, service_url: str, admin_url: str) -> None:
        self._service_url = service_url
        self._admin_url = admin_url
        self.hub = Hub(lambda tell: Collector(service_url, admin_url, tell))
        self.one_replay = asyncio.Lock()

    def replay(self, letter_id: LetterId) -> Replayed:
        """Send a letter again; see `replay_letter`."""
        return replay_letter(self._service_url, self._admin_url, letter_id)


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Live]:
    """Hold the live page open for the length of a `with` block; it follows nothing before somebody looks."""
    live = Live(settings.service_url, settings.admin_url)
    try:
        yield live
    finally:
        await live.hub.close()
