"""Rebuilds the state store: has Ordenes write every order's status again, and waits for Reporting's totals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import psycopg

from connection.admin import Admin
from operations.queries import query
from schemas.tienda.topics import NAMESPACE
from terminal.errors import CommandError, NoAnswerError

PAGE = 1_000
"""Orders in one mark."""
PAGES_AT_ONCE = 4
"""Marks that wait at once: an order that changes meanwhile is marked behind them, and mustn't wait for long."""
POLL_S = 0.1
SWITCHES = {
    "ordenes": ("state_per_order", "estado_por_orden"),
    "reporting": ("totals_per_status", "totales_por_estado"),
}
"""Each function's key that switches its state off, and the key's former name."""
TOTAL = "total:aprobada"
"""One of the totals, which are all written together."""


class Progress(NamedTuple):
    """How far a rebuild has come.

    Attributes
    ----------
    orders
        Orders whose status was written.
    after_id
        The last of them by id; a rebuild can be continued behind it.
    """

    orders: int
    after_id: str


class _Page(NamedTuple):
    orders: int
    after_id: str


def require_switched_on(admin: Admin, function: str) -> None:
    """Refuse to wait for a function that is configured to leave the state store alone.

    Raises
    ------
    NotDeployedError
        If there is no such function.
    CommandError
        If it writes no state.
    """
    config = admin.get(f"/admin/v3/functions/{NAMESPACE}/{function}").get("userConfig") or {}
    for switch in SWITCHES[function]:
        if config.get(switch) is False:
            raise CommandError(f"{function} writes no state: {switch} is false in its configuration.")


def rewrite_orders(
    connection: psycopg.Connection,
    stop: threading.Event,
    show: Callable[[Progress], None],
    *,
    after_id: str = "",
    patience_seconds: float,
    page: int = PAGE,
) -> Progress:
    """Mark every order for writing, a few pages at a time, and wait until Ordenes has written them.

    Parameters
    ----------
    connection
        To the database `ordenes`, in autocommit.
    stop
        Set it to have the rest left as it is; what is marked will still be written.
    show
        Called with how far it is.
    after_id
        Leave out the orders up to this id.
    patience_seconds
        How long to wait without anything having been written, of this or of what was marked before it.
    page
        Orders in one mark.

    Raises
    ------
    NoAnswerError
        If nothing is written for so long.
    """
    done, last_id, ended = Progress(0, after_id), after_id, False
    waiting: dict[int, _Page] = {}
    before, moved = 0, time.monotonic()
    while waiting or not ended:
        while not ended and len(waiting) < PAGES_AT_ONCE and not stop.is_set():
            row = connection.execute(query("ordenes", "rebuild/page"), {"after_id": last_id, "most": page}).fetchone()
            if row is None or row[0] is None:
                ended = True
            else:
                waiting[row[0]] = _Page(row[1], last_id)
                last_id = row[2]
        oldest, there = _left(connection, waiting)
        if oldest != before:
            before, moved = oldest, time.monotonic()
        for mark in waiting.keys() - there:
            orders = done.orders + waiting.pop(mark).orders
            # Pages may be written out of turn: it is continued behind those before the first that isn't.
            done = Progress(orders, waiting[min(waiting)].after_id if waiting else last_id)
            show(done)
        if stop.is_set():
            return done
        if waiting and time.monotonic() - moved > patience_seconds:
            raise NoAnswerError(
                f"Ordenes has written nothing to the state store for {patience_seconds:.0f} s: see ./deploy.sh status "
                f"and ./deploy.sh logs ordenes. {done.orders:,} orders are written; what is marked will be, "
                f"as soon as it can. Continue with --after '{done.after_id}'."
            )
        if waiting:
            time.sleep(POLL_S)
    return done


def _left(connection: psycopg.Connection, marks: Iterable[int]) -> tuple[int, set[int]]:
    row = connection.execute(query("ordenes", "rebuild/left"), {"marks": list(marks)}).fetchone()
    return (row[0], set(row[1])) if row else (0, set())


def totals_version(admin: Admin) -> int:
    """Give the version of what stands in the store as a total: it grows with each writing. 0 where nothing stands."""
    state = admin.find(f"/admin/v3/functions/{NAMESPACE}/reporting/state/{TOTAL}") or {}
    return int(state.get("version", 0))


def wait_for_totals(admin: Admin, before: int, stop: threading.Event, *, patience_seconds: float) -> bool:
    """Wait until Reporting has written its totals since they had a version; False when stopped.

    Raises
    ------
    NoAnswerError
        If it has not within the time.
    """
    until = time.monotonic() + patience_seconds
    while not stop.wait(POLL_S * 5):
        if totals_version(admin) != before:
            return True
        if time.monotonic() > until:
            raise NoAnswerError(
                f"Reporting has not written its totals within {patience_seconds:.0f} s: see ./deploy.sh status and "
                "./deploy.sh logs reporting."
            )
    return False
