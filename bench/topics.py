"""Asks the broker about the topics: what waits in them, and how many messages share an entry."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.hops import TOPICS
from bench.system import System
from connection.admin import Admin
from schemas.tienda.topics import NAMESPACE

READERS = dict(zip(TOPICS, ("ordenes", "pagos", "ordenes", "reporting"), strict=True))
"""The function that reads a topic; its subscription has its name."""
ROOT = f"/admin/v2/persistent/{NAMESPACE}"


class Written(NamedTuple):
    """How many messages and entries were written to a topic since the broker started."""

    messages: int
    entries: int


def written(api: Admin) -> dict[str, Written]:
    """Return how much was written to each of `TOPICS`."""
    found = {}
    for name in TOPICS:
        stats = api.get(f"{ROOT}/{name}/partitioned-stats")
        entries = 0
        for number in range(int(api.get(f"{ROOT}/{name}/partitions")["partitions"])):
            internal = api.get(f"{ROOT}/{name}-partition-{number}/internalStats")
            entries += int(internal["entriesAddedCounter"])
        found[name] = Written(int(stats["msgInCounter"]), entries)
    return found


def messages_per_entry(before: Mapping[str, Written], after: Mapping[str, Written]) -> dict[str, float]:
    """Return how many messages shared an entry on each topic that was written to in between. Pure."""
    found = {}
    for name, end in after.items():
        start = before.get(name)
        if start is not None and end.entries > start.entries and end.messages > start.messages:
            found[name] = (end.messages - start.messages) / (end.entries - start.entries)
    return found


def first_with_backlog(system: System) -> str:
    """Return the first topic with messages that its function hasn't acknowledged; empty when there is none.

    A function acknowledges a message after it has published the events that the message causes. So an empty topic
    causes nothing more, and one look at each topic is enough, in the order in which orders pass them.
    """
    for name, function in READERS.items():
        if _backlog(system.api.get(f"{ROOT}/{name}/partitioned-stats"), function):
            return name
    return ""


def _backlog(stats: Mapping[str, Any], function: str) -> int:
    found = stats["subscriptions"].get(function, {})
    # Timers that aren't due yet don't count.
    return int(found.get("msgBacklog", 0)) - int(found.get("msgDelayed", 0))
