"""Rebuilds Reporting's read model from the topic `orden-actualizada`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import psycopg
import pulsar

from client.admin import Admin
from client.queries import query
from client.topic_reader import partitions, read
from client.topics import NAMESPACE, ORDEN_ACTUALIZADA
from schemas.decoding import Undecodable
from schemas.tienda.cambios import Cambio, cambio

CHUNK = 50_000
"""Events that are folded in memory before they go to the database."""
LOCK_TIMEOUT_SECONDS = 10
"""How long Reporting's own transactions may keep us from the table."""


class Rebuilt(NamedTuple):
    """What a rebuild found and did.

    Attributes
    ----------
    events
        Messages read; those read twice, around the moment of the lock, count once.
    refused
        How many of them no reader may take; Reporting has dead-lettered these.
    orders
        Orders that the others tell of.
    removed, corrected, added
        Rows that no event tells of, that differed, that were missing.
    left
        Rows that no event tells of and that were left, as the topic isn't kept for ever.
    seconds
        How long it took.
    locked_seconds
        For how long of that Reporting could not write.
    """

    events: int
    refused: int
    orders: int
    removed: int
    corrected: int
    added: int
    left: int
    seconds: float
    locked_seconds: float


class Fold:
    """Keeps each order's newest change: of several with one version, the first."""

    def __init__(self) -> None:
        self.newest: dict[str, Cambio] = {}

    def add(self, change: Cambio) -> None:
        """Take a change in, in the order of the topic."""
        known = self.newest.get(change.id)
        if known is None or known.version < change.version:
            self.newest[change.id] = change

    def take(self) -> Iterable[Cambio]:
        """Give what was kept, and begin anew."""
        taken, self.newest = self.newest, {}
        return taken.values()


def kept_for_ever(admin: Admin) -> bool:
    """Tell whether the topic keeps all its messages: only then a row that none tells of is wrong."""
    policy = admin.find(f"/admin/v2/persistent/{NAMESPACE}/{ORDEN_ACTUALIZADA}/retention?applied=true") or {}
    return policy.get("retentionTimeInMinutes") == -1 and policy.get("retentionSizeInMB") == -1


class ReportingRebuild:
    """One rebuild.

    Parameters
    ----------
    client, admin
        Connected.
    connection
        To the database `reporting`, in autocommit.
    stop
        Set it to have the rebuild end without having changed anything.
    progress
        Called with the number of events read.
    """

    def __init__(
        self,
        client: pulsar.Client,
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
        self._fold = Fold()
        self._last: dict[str, pulsar.MessageId] = {}
        self._events = 0
        self._refused = 0

    def run(self, *, remove: bool, dry_run: bool) -> Rebuilt:
        """Do it.

        Parameters
        ----------
        remove
            Whether rows are removed that no event tells of.
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
            connection.execute(query(f"rebuild_reporting/{name}"))
        # Most of it before the lock; what comes meanwhile is little.
        for _ in range(2):
            self._read_on()
        connection.execute(query("rebuild_reporting/analyze"))
        with connection.transaction(force_rollback=dry_run):
            connection.execute(b"SET LOCAL lock_timeout = '%ds'" % LOCK_TIMEOUT_SECONDS)
            connection.execute(query("rebuild_reporting/lock"))
            locked = time.monotonic()
            # Whatever Reporting has written by now lies before this end.
            self._read_on()
            removed = self._change("remove") if remove else 0
            left = 0 if remove else self._count("unknown")
            corrected = self._change("correct")
            added = self._change("add")
            orders = self._count("count")
        ended = time.monotonic()
        return Rebuilt(
            self._events,
            self._refused,
            orders,
            removed,
            corrected,
            added,
            left,
            seconds=ended - started,
            locked_seconds=ended - locked,
        )

    def _read_on(self) -> None:
        """Take in what has come since the last time, up to where the topic ends now."""
        for partition in partitions(self._client, self._admin, ORDEN_ACTUALIZADA):
            last = self._last.get(partition.name)
            for message in read(self._client, partition, start=last):
                if last is not None and _place(message.message_id()) <= _place(last):
                    continue
                self._take(message)
                self._last[partition.name] = message.message_id()
                if self._events % CHUNK == 0:
                    self._store()
        self._store()

    def _take(self, message: pulsar.Message) -> None:
        self._events += 1
        try:
            self._fold.add(cambio(message.data(), message.publish_timestamp))
        except Undecodable:
            self._refused += 1
        if self._events % 1000 == 0:
            self._progress(self._events)
            if self._stop.is_set():
                raise KeyboardInterrupt

    def _store(self) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        changes = self._fold.take()
        if not changes:
            return
        with self._connection.cursor() as cursor:
            with cursor.copy(query("rebuild_reporting/copy")) as copy:
                for change in changes:
                    copy.write_row(change)
            cursor.execute(query("rebuild_reporting/merge"))
            cursor.execute(query("rebuild_reporting/forget_arrivals"))

    def _change(self, name: str) -> int:
        return self._connection.execute(query(f"rebuild_reporting/{name}")).rowcount

    def _count(self, name: str) -> int:
        row = self._connection.execute(query(f"rebuild_reporting/{name}")).fetchone()
        return int(row[0]) if row else 0


def _place(message_id: pulsar.MessageId) -> tuple[int, int, int]:
    return message_id.ledger_id(), message_id.entry_id(), message_id.batch_index()
