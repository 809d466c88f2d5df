"""Keeps the orders that are still to be judged in a temporary file, so that memory doesn't grow with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from operations.scratch_file import ScratchFile

CHUNK = 1_000

_TABLES = """
CREATE TABLE doubtful (
    id TEXT PRIMARY KEY, verdict TEXT NOT NULL, why TEXT NOT NULL, state TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE suspect (id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE waits (id TEXT NOT NULL, topic TEXT NOT NULL, PRIMARY KEY (id, topic)) WITHOUT ROWID;
CREATE TABLE letter (
    id TEXT NOT NULL, topic TEXT NOT NULL, discarded INTEGER NOT NULL, bug INTEGER NOT NULL,
    PRIMARY KEY (id, topic, bug)
) WITHOUT ROWID;
CREATE TABLE command (id TEXT PRIMARY KEY, taken INTEGER NOT NULL) WITHOUT ROWID;
"""


class Doubtful(NamedTuple):
    """An order that has not ended, as far as is known, and how it is judged.

    Attributes
    ----------
    id, verdict, why
        See `operations.reconcile.rules.Rule`.
    state
        A text that changes with each change of its rows; empty if it has none.
    """

    id: str
    verdict: str
    why: str
    state: str = ""


class OrderLetter(NamedTuple):
    """A dead letter.

    Attributes
    ----------
    order_id
        The order; empty if it isn't known.
    topic
        The topic that its message came from.
    discarded
        Whether an operator discarded it.
    bug
        Whether our code failed on the message, which may itself be right.
    refused
        Whether the message is a command that the rules don't take.
    """

    order_id: str
    topic: str
    discarded: bool
    bug: bool = False
    refused: bool = False


class Scratch(ScratchFile):
    """The orders that are still to be judged."""

    def __init__(self) -> None:
        super().__init__(_TABLES)

    def doubt(self, orders: Iterable[Doubtful]) -> None:
        """Record doubtful orders, in place of what was recorded of them before."""
        self._file.executemany("INSERT OR REPLACE INTO doubtful VALUES (?, ?, ?, ?)", orders)

    def settle(self, ids: Iterable[str]) -> None:
        """Forget orders: they have ended."""
        self._file.executemany("DELETE FROM doubtful WHERE id = ?", ((order_id,) for order_id in ids))

    def doubtful(self, *verdicts: str) -> Iterator[list[Doubtful]]:
        """Yield the doubtful orders of these verdicts by id, in chunks; they may be recorded anew meanwhile."""
        last = ""
        places = ", ".join("?" * len(verdicts))
        text = f"SELECT * FROM doubtful WHERE id > ? AND verdict IN ({places}) ORDER BY id LIMIT ?"  # noqa: S608 - places
        while rows := self._file.execute(text, (last, *verdicts, CHUNK)).fetchall():
            yield [Doubtful(*row) for row in rows]
            last = rows[-1][0]

    def counts(self) -> dict[tuple[str, str], int]:
        """Count the doubtful orders by verdict and reason."""
        rows = self._file.execute("SELECT verdict, why, count(*) FROM doubtful GROUP BY 1, 2")
        return {(verdict, why): count for verdict, why, count in rows}

    def suspect(self, ids: Iterable[str]) -> None:
        """Record orders that may be lost."""
        self._file.executemany("INSERT OR IGNORE INTO suspect VALUES (?)", ((order_id,) for order_id in ids))

    def clear(self, ids: Iterable[str]) -> None:
        """Forget that orders may be lost."""
        self._file.executemany("DELETE FROM suspect WHERE id = ?", ((order_id,) for order_id in ids))

    def suspects(self) -> Iterator[list[Doubtful]]:
        """Yield the orders that may be lost by id, in chunks; they may be cleared meanwhile."""
        last = ""
        text = "SELECT doubtful.* FROM suspect JOIN doubtful USING (id) WHERE id > ? ORDER BY id LIMIT ?"
        while rows := self._file.execute(text, (last, CHUNK)).fetchall():
            yield [Doubtful(*row) for row in rows]
            last = rows[-1][0]

    def suspected_reasons(self) -> set[str]:
        """Return what the orders that may be lost wait for."""
        return {row[0] for row in self._file.execute("SELECT DISTINCT why FROM suspect JOIN doubtful USING (id)")}

    def waits(self, waiting: Iterable[tuple[str, str]]) -> None:
        """Record messages that wait: each one's topic and order."""
        text = "INSERT OR IGNORE INTO waits (topic, id) VALUES (?, ?)"
        self._file.executemany(text, waiting)

    def forget_waits(self) -> None:
        """Forget all messages that wait."""
        self._file.execute("DELETE FROM waits")

    def waiting_of(self, ids: Sequence[str]) -> dict[str, set[str]]:
        """Return the topics in which messages wait for some orders, by order."""
        found: dict[str, set[str]] = {}
        places = ", ".join("?" * len(ids))
        for order_id, topic in self._file.execute(f"SELECT id, topic FROM waits WHERE id IN ({places})", ids):  # noqa: S608
            found.setdefault(order_id, set()).add(topic)
        return found

    def letters(self, letters: Iterable[OrderLetter]) -> None:
        """Record dead letters. If an order has several of a topic, one that waits counts before discarded ones."""
        text = (
            "INSERT INTO letter VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET discarded = discarded AND excluded.discarded"
        )
        self._file.executemany(text, (letter[:4] for letter in letters))

    def lettered(self, ids: Sequence[str]) -> dict[str, list[OrderLetter]]:
        """Return the dead letters of some orders, by order."""
        found: dict[str, list[OrderLetter]] = {}
        places = ", ".join("?" * len(ids))
        text = f"SELECT id, topic, discarded, bug FROM letter WHERE id IN ({places})"  # noqa: S608 - places
        for order_id, topic, discarded, bug in self._file.execute(text, ids):
            found.setdefault(order_id, []).append(OrderLetter(order_id, topic, bool(discarded), bool(bug)))
        return found

    def letter_ids(self, topic: str) -> Iterator[list[str]]:
        """Yield the orders with a dead letter of a topic, in chunks."""
        return self._ids("SELECT id FROM letter WHERE id > ? AND topic = ? ORDER BY id LIMIT ?", topic)

    def commands(self, commands: Iterable[tuple[str, bool]]) -> None:
        """Record the commands in the topic: each one's order, and whether the rules take it."""
        text = "INSERT INTO command VALUES (?, ?) ON CONFLICT DO UPDATE SET taken = taken OR excluded.taken"
        self._file.executemany(text, commands)

    def taken(self, ids: Sequence[str]) -> set[str]:
        """Return those of some orders that have a command which the rules take."""
        places = ", ".join("?" * len(ids))
        text = f"SELECT id FROM command WHERE taken AND id IN ({places})"  # noqa: S608 - places
        return {row[0] for row in self._file.execute(text, ids)}

    def command_ids(self) -> Iterator[list[str]]:
        """Yield the orders with a command by id, in chunks."""
        return self._ids("SELECT id FROM command WHERE id > ? ORDER BY id LIMIT ?")

    def command_count(self) -> int:
        """Count the orders with a command."""
        return int(self._file.execute("SELECT count(*) FROM command").fetchone()[0])

    def _ids(self, text: str, *values: str) -> Iterator[list[str]]:
        last = ""
        while rows := self._file.execute(text, (last, *values, CHUNK)).fetchall():
            ids = [row[0] for row in rows]
            yield ids
            last = ids[-1]
