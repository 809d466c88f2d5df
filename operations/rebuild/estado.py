"""Rebuilds the state store: has Ordenes write every order's status again, and waits for Reporting's totals."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import psycopg

from connection.admin import Admin
from operations.queries import query
from schemas.tienda.orden import APROBADA
from schemas.tienda.topics import NAMESPACE
from terminal.errors import CommandError, NoAnswerError

PAGE = 1_000
"""Orders in one mark."""
PAGES_AT_ONCE = 4
"""The most marks that wait at once: an order that changes meanwhile is marked behind them, and mustn't wait long."""
POLL_S = 0.1
SWITCHES = {
    "ordenes": ("state_per_order", "estado_por_orden"),
    "reporting": ("totals_per_status", "totales_por_estado"),
}
"""Each function's key that switches its state off, and the key's former name."""
TOTAL = f"total:{APROBADA}"
"""One of the totals; all are written together."""


class Progress(NamedTuple):
    """How far a rebuild has come.

    Attributes
    ----------
    orders
        Orders whose status was written.
    after_id
        The last of them by id; a rebuild can continue after it.
    """

    orders: int
    after_id: str


def require_switched_on(admin: Admin, function: str) -> None:
    """Raise an error if a function is configured not to write to the state store.

    Raises
    ------
    NotFoundError
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
    patience_s: float,
    page: int = PAGE,
) -> Progress:
    """Mark every order for writing, a few pages at a time, and wait until Ordenes has written them.

    Parameters
    ----------
    connection
        To the database `ordenes`, in autocommit.
    stop
        When this is set, return and leave the rest as it is. Ordenes still writes what is marked.
    show
        Called with the progress.
    after_id
        Leave out the orders up to this id.
    patience_s
        Give up when nothing has been written for this long, neither of these marks nor of earlier ones.
    page
        Orders in one mark.

    Raises
    ------
    NoAnswerError
        If nothing has been written for that long.
    """
    done, last_id, ended = Progress(0, after_id), after_id, False
    waiting: dict[int, Progress] = {}
    before, moved = 0, time.monotonic()
    while waiting or not ended:
        while not ended and len(waiting) < PAGES_AT_ONCE and not stop.is_set():
            row = connection.execute(query("ordenes", "rebuild/page"), {"after_id": last_id, "most": page}).fetchone()
            if row is None or row[0] is None:
                ended = True
            else:
                waiting[row[0]] = Progress(row[1], last_id)
                last_id = row[2]
        oldest, there = _left(connection, waiting)
        if oldest != before:
            before, moved = oldest, time.monotonic()
        for mark in waiting.keys() - there:
            orders = done.orders + waiting.pop(mark).orders
            # Pages may be written out of order: a rebuild continues after the last page before the first unwritten one.
            done = Progress(orders, waiting[min(waiting)].after_id if waiting else last_id)
            show(done)
        if stop.is_set():
            return done
        if waiting and time.monotonic() - moved > patience_s:
            raise NoAnswerError(
                f"Ordenes has written nothing to the state store for {patience_s:.0f} s: see ./deploy.sh status "
                f"and ./deploy.sh logs ordenes. {done.orders:,} orders are written. Ordenes writes what is marked "
                f"as soon as it can. Continue with --after '{done.after_id}'."
            )
        if waiting:
            time.sleep(POLL_S)
    return done


def _left(connection: psycopg.Connection, marks: Iterable[int]) -> tuple[int, set[int]]:
    row = connection.execute(query("ordenes", "rebuild/left"), {"marks": list(marks)}).fetchone()
    return (row[0], set(row[1])) if row else (0, set())


def totals_version(admin: Admin) -> int:
    """Return the version of the totals in the store, which grows with each write; 0 if there are none."""
    state = admin.find(f"/admin/v3/functions/{NAMESPACE}/reporting/state/{TOTAL}") or {}
    return int(state.get("version", 0))


def wait_for_totals(admin: Admin, before: int, stop: threading.Event, *, patience_s: float) -> bool:
    """Wait until Reporting's totals have another version than before; return False if stopped.

    Raises
    ------
    NoAnswerError
        If they haven't in time.
    """
    until = time.monotonic() + patience_s
    while not stop.wait(POLL_S * 5):
        if totals_version(admin) != before:
            return True
        if time.monotonic() > until:
            raise NoAnswerError(
                f"Reporting has not written its totals within {patience_s:.0f} s: see ./deploy.sh status and "
                "./deploy.sh logs reporting."
            )
    return False
