"""Finds, for each lost order, the retained message that takes it further, and keeps them in a temporary file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from alpes_wire import Message
from connection.admin import Admin
from connection.client import Client
from connection.reading import key, partitions, properties, read
from operations.reconcile.merge import Rows
from operations.reconcile.rules import UPDATES
from operations.recover.choice import decoded, order_id, places, rank, would_be_charged
from operations.scratch_file import ScratchFile
from schemas.tienda.orden import EXPIRADA, REEMBOLSADA

CHUNK = 1_000

_TABLES = """
CREATE TABLE wanted (
    id TEXT PRIMARY KEY, why TEXT NOT NULL, rows TEXT NOT NULL, charged_by_it INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE place (
    id TEXT NOT NULL, topic TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (topic, id)
) WITHOUT ROWID;
CREATE TABLE found (
    id TEXT NOT NULL, topic TEXT NOT NULL, rank INTEGER NOT NULL,
    payload BLOB NOT NULL, key TEXT NOT NULL, properties TEXT NOT NULL, PRIMARY KEY (id, topic)
);
"""
_BEST = """
SELECT wanted.id, wanted.why, found.topic, found.payload, found.key, found.properties, min(place.place)
FROM wanted
LEFT JOIN found USING (id)
LEFT JOIN place USING (id, topic)
GROUP BY wanted.id ORDER BY wanted.id
"""
"""With `min`, SQLite takes the other columns from the row that has the minimum."""


class Recoverable(NamedTuple):
    """A lost order, and the message that takes it further.

    Attributes
    ----------
    id, why
        See `operations.reconcile.scratch.Doubtful`.
    topic
        The topic that the message lies in and is sent to again; None if no topic retains one.
    payload, key, properties
        The message.
    """

    id: str
    why: str
    topic: str | None
    payload: bytes
    key: str
    properties: dict[str, str]


class Retained(ScratchFile):
    """The lost orders and what was found for them, in a file that goes when it is closed or this process ends."""

    def __init__(self) -> None:
        super().__init__(_TABLES)
        self._number = 0

    def want(self, orders: Iterable[tuple[str, str, Rows | None]]) -> None:
        """Add orders to look for: each one's id, what it waits for, and its rows."""
        for name, why, rows in orders:
            values = (name, why, json.dumps(rows), would_be_charged(rows))
            self._file.execute("INSERT INTO wanted VALUES (?, ?, ?, ?)", values)
            topics = ((name, topic, place) for place, topic in enumerate(places(why, rows)))
            self._file.executemany("INSERT INTO place VALUES (?, ?, ?)", topics)

    def leave_ended(self, client: Client, admin: Admin, tick: Callable[[int], None]) -> dict[str, str]:
        """Leave out the orders that would be charged, though they had expired before a database was set back.

        Parameters
        ----------
        client, admin, tick
            See `find`.

        Returns
        -------
        dict of str to str
            Their last status in `orden-actualizada`, by id.
        """
        ended: dict[str, str] = {}
        if self._file.execute("SELECT 1 FROM wanted WHERE charged_by_it LIMIT 1").fetchone():
            for chunk in self._chunks(client, admin, UPDATES.topic, tick):
                events = [decoded(UPDATES.topic, message.data()) for message in chunk]
                said = {event.id: event.status for event in events if event and event.status in {EXPIRADA, REEMBOLSADA}}
                marks = ", ".join("?" * len(said))
                text = f"SELECT id FROM wanted WHERE charged_by_it AND id IN ({marks})"  # noqa: S608 - places
                ended |= {name: said[name] for (name,) in self._file.execute(text, list(said))}
        for table in ("wanted", "place"):
            self._file.executemany(f"DELETE FROM {table} WHERE id = ?", ((name,) for name in ended))  # noqa: S608
        return ended

    def find(self, client: Client, admin: Admin, tick: Callable[[int], None]) -> None:
        """Read the topics that may help, the best first, until each order has a message or no topic is left.

        Parameters
        ----------
        client, admin
            Connections to Pulsar, by its protocol and by its admin API.
        tick
            Called with the number of messages read, every thousand.
        """
        already: list[str] = []
        while topic := self._next_topic(already):
            already.append(topic)
            for chunk in self._chunks(client, admin, topic, tick):
                self._take(topic, chunk)

    def _chunks(self, client: Client, admin: Admin, topic: str, tick: Callable[[int], None]) -> Iterator[list[Message]]:
        for partition in partitions(admin, topic):
            messages = read(client, admin, partition)
            while chunk := list(islice(messages, CHUNK)):
                yield chunk
                self._number += len(chunk)
                tick(self._number)

    def _next_topic(self, already: Sequence[str]) -> str | None:
        places_left = ", ".join("?" * len(already))
        text = (
            f"SELECT topic FROM place WHERE topic NOT IN ({places_left})"  # noqa: S608 - places
            " AND NOT EXISTS (SELECT 1 FROM found JOIN place AS better USING (id, topic)"
            " WHERE found.id = place.id AND better.place < place.place) ORDER BY place LIMIT 1"
        )
        row = self._file.execute(text, already).fetchone()
        return row and str(row[0])

    def _take(self, topic: str, messages: Iterable[Message]) -> None:
        said: dict[str, list[tuple[Any, Message]]] = {}
        for message in messages:
            content = decoded(topic, message.data())
            if content is not None:
                said.setdefault(order_id(topic, content), []).append((content, message))
        marks = ", ".join("?" * len(said))
        text = f"SELECT id, rows FROM wanted JOIN place USING (id) WHERE topic = ? AND id IN ({marks})"  # noqa: S608
        for name, rows in self._file.execute(text, (topic, *said)).fetchall():
            for content, message in said[name]:
                self._keep(name, topic, rank(topic, content, _rows(rows)), message)

    def _keep(self, name: str, topic: str, ranked: int, message: Message) -> None:
        # The first of equal rank is kept: it is the one that was accepted.
        if ranked:
            self._file.execute(
                "INSERT INTO found VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET rank = excluded.rank,"
                " payload = excluded.payload, key = excluded.key, properties = excluded.properties"
                " WHERE excluded.rank > rank",
                (name, topic, ranked, message.data(), key(message), json.dumps(properties(message))),
            )

    def orders(self) -> Iterator[Recoverable]:
        """Yield each order that was looked for, by id."""
        for name, why, topic, payload, message_key, said, _place in self._file.execute(_BEST):
            yield Recoverable(name, why, topic, payload or b"", message_key or "", json.loads(said or "{}"))


def _rows(text: str) -> Rows | None:
    values = json.loads(text)
    return Rows(values[0], *(None if row is None else tuple(row) for row in values[1:])) if values else None
