"""What the API holds open while it runs: the connection to Pulsar, and what came by it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from api.orders.commands import Commands, look_back
from api.orders.following import FAILURES, Following
from api.orders.outcomes import FOLLOWED, Outcomes
from api.settings import Settings
from connection.admin import Admin
from connection.client import Client
from connection.errors import PulsarError
from connection.group_publishing import GroupPublisher
from schemas.tienda import rules
from schemas.tienda.topics import CREAR_ORDEN, NAMESPACE, full_name

ADMIN_TIMEOUT_S = 5.0
"""How long Pulsar's admin API may take for one answer while a caller waits for ours."""
START_S = 15.0
"""How long the API waits at its start to read back the last commands. Then it listens, and answers what it can."""
AGAIN_S = 1.0
CONFIGURED_AGAIN_S = 30.0
"""How long a change of Ordenes' configuration may go unnoticed."""
MOST_LOOKUPS, MOST_TRACES, MOST_STREAMS = 8, 2, 8
"""How many requests of a kind are answered at once: each takes a thread, and none those of other kinds."""
_log = logging.getLogger(__name__)
Given = ParamSpec("Given")
Found = TypeVar("Found")


@dataclass
class Backend:
    """The connection to Pulsar, for all requests.

    Attributes
    ----------
    client : Client
        Pulsar's client, which connects when it is used, and again whenever the connection is lost.
    admin : Admin
        Pulsar's admin API. It blocks: call it in a thread.
    publisher : GroupPublisher
        Publishes to `crear-orden`.
    commands : Commands
        What was published there lately.
    outcomes : Outcomes
        What became of orders lately.
    following : Following
        Brings the outcomes.
    lookups : ThreadPoolExecutor
        Asks the admin API about orders and totals: it takes only so many questions at once.
    readers : ThreadPoolExecutor
        Reads traces and reports.
    examiner : ThreadPoolExecutor
        Looks at Pulsar's health.
    examination : asyncio.Task or None
        The last look, which may still be under way.
    tracing, streams : asyncio.Semaphore
        Held while a trace is read, and while a report is streamed.
    extra_currencies : frozenset of str
        Currencies that Ordenes takes besides ISO 4217's, by its configuration.
    deployed : asyncio.Event
        Set once Alpes' topics are there, and the commands of the last minutes are read back.
    """

    client: Client
    admin: Admin
    publisher: GroupPublisher
    commands: Commands
    outcomes: Outcomes
    following: Following
    lookups: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MOST_LOOKUPS, "lookup"))
    readers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(MOST_TRACES + MOST_STREAMS, "read"))
    examiner: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "examine"))
    examination: asyncio.Task[dict[str, str]] | None = None
    tracing: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_TRACES))
    streams: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_STREAMS))
    extra_currencies: frozenset[str] = frozenset()
    deployed: asyncio.Event = field(default_factory=asyncio.Event)


async def in_pool(
    pool: ThreadPoolExecutor, ask: Callable[Given, Found], *args: Given.args, **kwargs: Given.kwargs
) -> Found:
    """Call a function that blocks, in a thread of a pool."""
    return await asyncio.get_running_loop().run_in_executor(pool, partial(ask, *args, **kwargs))


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Backend]:
    """Hold the connection open for the length of a `with` block. Pulsar may be away, now and later."""
    client = Client(settings.service_url)
    admin = Admin(settings.admin_url, timeout_s=ADMIN_TIMEOUT_S, pauses_s=())
    outcomes = Outcomes(settings.remembered)
    publisher = GroupPublisher(client, full_name(CREAR_ORDEN), most_waiting=settings.most_waiting)
    try:
        async with publisher, Following(client, outcomes) as following:
            backend = Backend(client, admin, publisher, Commands(), outcomes, following)
            arriving = asyncio.create_task(_arrive(backend), name="arrive")
            with suppress(TimeoutError):
                await asyncio.wait_for(backend.deployed.wait(), START_S if await _answers(admin) else 0)
            try:
                yield backend
            finally:
                outcomes.stop()
                arriving.cancel()
                await asyncio.wait([arriving])
                for pool in (backend.lookups, backend.readers, backend.examiner):
                    pool.shutdown(wait=False, cancel_futures=True)
    finally:
        client.shutdown()


async def _answers(admin: Admin) -> bool:
    try:
        return CREAR_ORDEN in await asyncio.to_thread(admin.topics)
    except PulsarError:
        return False


async def _arrive(backend: Backend) -> None:
    """Wait until Alpes' topics are there, read back the last commands, and keep up with Ordenes' configuration.

    A producer or consumer of a missing topic would create one, with other settings than the deployment's.
    """
    while True:
        with suppress(*FAILURES):
            if {CREAR_ORDEN, *FOLLOWED} <= set(await asyncio.to_thread(backend.admin.topics)):
                break
        await asyncio.sleep(AGAIN_S)
    try:
        for order_id, content in await asyncio.to_thread(look_back, backend.client, backend.admin):
            backend.commands.remember(order_id, content)
    except FAILURES as error:
        _log.warning("The commands of the last minutes can't be read back: %s", error)
    backend.deployed.set()
    while True:
        with suppress(*FAILURES):
            backend.extra_currencies = await asyncio.to_thread(_extra_currencies, backend.admin)
        await asyncio.sleep(CONFIGURED_AGAIN_S)


def _extra_currencies(admin: Admin) -> frozenset[str]:
    config = (admin.find(f"/admin/v3/functions/{NAMESPACE}/ordenes") or {}).get("userConfig") or {}
    return rules.currencies_of(str(config.get("extra_currencies", "")))
