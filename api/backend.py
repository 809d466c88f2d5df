"""What the API holds open while it runs: the connection to Pulsar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from api.settings import Settings
from connection.admin import Admin
from connection.client import Client

ADMIN_TIMEOUT_S = 5.0
"""How long Pulsar's admin API may take for one answer while a caller waits for ours."""


@dataclass(frozen=True)
class Backend:
    """The connection to Pulsar, for all requests.

    Attributes
    ----------
    client : Client
        Pulsar's client, which connects when it is used, and again whenever the connection is lost.
    admin : Admin
        Pulsar's admin API. It blocks: call it in a thread.
    """

    client: Client
    admin: Admin


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Backend]:
    """Hold the connection open for the length of a `with` block. Pulsar may be away, now and later."""
    client = Client(settings.service_url)
    try:
        yield Backend(client, Admin(settings.admin_url, timeout_s=ADMIN_TIMEOUT_S, pauses_s=()))
    finally:
        client.shutdown()
