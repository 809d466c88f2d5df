"""Rebuilds Reporting's read model from the topic `orden-actualizada`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

import psycopg

from alpes_wire import EARLIEST, Message, MessageId
from alpes_wire.decoding import Undecodable
from connection.admin import Admin
from connection.client import Client
from connection.reading import partitions, read
from operations.queries import query
from schemas.tienda.cambios import Newest, cambio
from schemas.tienda.topics import ORDEN_ACTUALIZADA

CHUNK = 50_000
"""Events that are folded in memory before they go to the database."""
LOCK_TIMEOUT_S = 10
"""How long to wait for the lock while Reporting's own transactions hold the table."""


class Rebuilt(NamedTuple):
    """What a rebuild found and did.

    Attributes
    ----------
    events
        Messages read; those read twice, around the moment of the lock, count once.
    refused
        How many of them are invalid; Reporting has dead-lettered these.
    orders
        Orders of the valid events.
    removed, corrected, added
        Rows without an event, rows that differed, and rows that were missing.
    left, newer
        Rows without an event, and rows with a version above those of all their events. They were left as they are,
        because the topic may have lost events.
    totals
        Totals of a status and currency that differed from the rows, and were counted anew.
    seconds
        How long it took.
    locked_seconds
        How much of that time Reporting could not write.
    """

    events: int
    refused: int
    orders: int
    removed: int
    corrected: int
    added: int
    left: int
    newer: int
    totals: int
    seconds: float
    locked_seconds: float

    @property
    def equal(self) -> bool:
        """Whether every row now agrees with the topic."""
        return not (self.left or self.newer)


class ReportingRebuild:
    """One rebuild.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.
    connection
        To the database `reporting`, in autocommit.
    stop
        When this is set, the rebuild ends without having changed anything.
    progress
        Called with the number of events read.
    """

    def __init__(
        self,
        client: Client,
        admin: Admin,
        connection: psycopg.Connection,
        stop: threading.Event,
        progress: Callable[[int], None],
    ) -> None:
        self._client = client
        self._admin = admin
        self._connection = connection
        self._stop = stop
        self._progress = progress
        self._newest = Newest()
        self._last: dict[str, MessageId] = {}
        self._events = 0
        self._refused = 0

    def run(self, *, whole: bool, dry_run: bool) -> Rebuilt:
        """Run the rebuild.

        Parameters
        ----------
        whole
            Whether the topic is known to have every event that was ever published. Only then, a row or a version
            without an event is wrong, and is removed or taken back. The topic can't tell: its retention may have been
            shorter once.
        dry_run
            Look, and change nothing.

        Raises
        ------
        KeyboardInterrupt
            If it was stopped; nothing has changed.
        """
        started = time.monotonic()
        connection = self._connection
        for name in ("shadow", "arrivals"):
            connection.execute(query("reporting", f"rebuild/{name}"))
        # Most events are read before the lock; few come meanwhile.
        for _ in range(2):
            self._read_on()
        connection.execute(query("reporting", "rebuild/analyze"))
        with connection.transaction(force_rollback=dry_run):
            connection.execute(b"SET LOCAL lock_timeout = '%ds'" % LOCK_TIMEOUT_S)
            connection.execute(query("reporting", "rebuild/lock"))
            locked = time.monotonic()
            # Whatever Reporting has written by now lies before the topic's end of now.
            self._read_on()
            left, newer = (0, 0) if whole else self._row("unknown")
            removed = self._change("remove") if whole else 0
            corrected = self._change("correct", whole=whole)
            added = self._change("add")
            totals = self._count_totals()
            (orders,) = self._row("count")
        ended = time.monotonic()
        return Rebuilt(
            self._events,
            self._refused,
            orders,
            removed,
            corrected,
            added,
            left,
            newer,
            totals,
            seconds=ended - started,
            locked_seconds=ended - locked,
        )

    def _read_on(self) -> None:
        """Read what has come since the last time, up to where the topic ends now."""
        for partition in partitions(self._admin, ORDEN_ACTUALIZADA):
            last = self._last.get(partition.name)
            for message in read(self._client, self._admin, partition, start=last or EARLIEST):
                if last is not None and message.message_id() <= last:
                    continue
                self._take(message)
                self._last[partition.name] = message.message_id()
                if self._events % CHUNK == 0:
                    self._store()
        self._store()

    def _take(self, message: Message) -> None:
        self._events += 1
        try:
            self._newest.add(cambio(message.data(), message.publish_timestamp))
        except Undecodable:
            self._refused += 1
        if self._events % 1000 == 0:
            self._progress(self._events)
            if self._stop.is_set():
                raise KeyboardInterrupt

    def _store(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        changes = self._newest.take()
        if not changes:
            return
        with self._connection.cursor() as cursor:
            with cursor.copy(query("reporting", "rebuild/copy")) as copy:
                for change in changes:
                    copy.write_row(change)
            cursor.execute(query("reporting", "rebuild/merge"))
            cursor.execute(query("reporting", "rebuild/forget_arrivals"))

    def _count_totals(self) -> int:
        """Count the totals anew if they differ from the rows, and return how many differed."""
        wrong = len(self._connection.execute(query("reporting", "reconcile/wrong_totals")).fetchall())
        if wrong:
            self._change("clear_totals")
            self._change("count_totals")
        return wrong

    def _change(self, name: str, **values: bool) -> int:
        return self._connection.execute(query("reporting", f"rebuild/{name}"), values or None).rowcount

    def _row(self, name: str) -> tuple[int, ...]:
        return self._connection.execute(query("reporting", f"rebuild/{name}")).fetchone() or ()
