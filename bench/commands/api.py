"""`python -m bench api`: measures orders a second that the HTTP API takes, while the system processes them."""

import os
import time

import click

from bench import reconcile, tables, wrk
from bench.commands import session
from bench.errors import NotReachableError, UnfinishedError
from bench.system import System
from bench.wrk import Posted
from terminal import progress

SUMMARY = "measure orders a second that the HTTP API takes, with wrk, and check that each of them is accounted for"
SECONDS, QUICK_SECONDS = 20, 5
CONNECTIONS = 64
WARM_UP_S = 60
"""A broker that has just started gets faster for about a minute: its JVM compiles."""
STALLED_S = 120.0
POLL_S = 0.5

OPTIONS = (
    click.Option(["--seconds"], type=session.positive, metavar="S", help=f"Length of a run ({SECONDS})."),
    click.Option(["--connections"], type=session.positive, metavar="N", help=f"Clients ({CONNECTIONS})."),
)


def run(options: session.Options) -> None:
    """Post orders without and with an Idempotency-Key, and check that no order was lost."""
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    connections = options.connections or CONNECTIONS
    with session.opened(options) as work:
        url = _url(work.system)
        before = _recorded(work.system)
        taken = wrk.post(url, connections=connections, seconds=WARM_UP_S, keyed=False).taken
        for name, keyed in (("without a key", False), ("with a key", True)):
            posted = wrk.post(url, connections=connections, seconds=seconds, keyed=keyed)
            taken += posted.taken
            work.figures[name] = _figures(posted)
        _wait(work.system, before + taken)
        work.figures["answered with 202"] = taken
        work.figures["recorded by Ordenes"] = _recorded(work.system) - before
        work.figures["reconcile"] = reconcile.require_clean(work.system)


def _url(system: System) -> str:
    url = system.local.api_url if system.local else os.environ.get("ALPES_API_URL", "")
    if not url:
        raise NotReachableError("ALPES_API_URL must name the HTTP API: start it with alpes serve.")
    return url


def _figures(posted: Posted) -> dict[str, float]:
    return {"orders_per_second": posted.per_second, **posted._asdict()}


def _recorded(system: System) -> int:
    with tables.opened(system.dsns) as queries:
        return queries.orders("ordenes")


def _wait(system: System, orders: int) -> None:
    """Wait until Ordenes has recorded so many orders, and all have ended."""
    with progress.step("Waiting for the orders to end", "All orders have ended"), tables.opened(system.dsns) as queries:
        last, since = -1, time.monotonic()
        while (ended := queries.orders("reporting")) < orders or ended < queries.orders("ordenes"):
            if ended != last:
                last, since = ended, time.monotonic()
            if time.monotonic() - since > STALLED_S:
                raise UnfinishedError(f"{ended:,} of {orders:,} orders ended, and no other for {STALLED_S:.0f} s.")
            time.sleep(POLL_S)
