"""What the broker says of the topics: what waits, and how many messages share an entry."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.hops import TOPICS
from bench.system import System
from connection.admin import Admin
from schemas.tienda.topics import NAMESPACE

READERS = dict(zip(TOPICS, ("ordenes", "pagos", "ordenes", "reporting"), strict=True))
"""Which function's subscription reads a topic."""
ROOT = f"/admin/v2/persistent/{NAMESPACE}"


class Written(NamedTuple):
    """What has been written to a topic.

    Attributes
    ----------
    messages, entries
        Since the broker started.
    """

    messages: int
    entries: int


def written(api: Admin) -> dict[str, Written]:
    """Return what was written to each of the four topics."""
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
    """Return how many messages shared an entry on each topic between two looks; none where none was written. Pure."""
    found = {}
    for name, end in after.items():
        start = before.get(name)
        if start is not None and end.entries > start.entries and end.messages > start.messages:
            found[name] = (end.messages - start.messages) / (end.entries - start.entries)
    return found


def first_with_backlog(system: System) -> str:
    """Return the first topic, downstream, that a function has still to acknowledge messages of; empty when all is done.

    A message is acknowledged after what it causes is published. So once a topic is empty nothing more comes from it,
    and one look at each, in the order in which orders pass them, is enough.
    """
    for name, function in READERS.items():
        if _backlog(system.api.get(f"{ROOT}/{name}/partitioned-stats"), function):
            return name
    return ""


def _backlog(stats: Mapping[str, Any], function: str) -> int:
    found = stats["subscriptions"].get(function, {})
    # A timer that isn't due yet waits for nobody.
    return int(found.get("msgBacklog", 0)) - int(found.get("msgDelayed", 0))
