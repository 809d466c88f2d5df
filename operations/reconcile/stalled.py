"""Finds inputs that deliver nothing though messages wait in them, and asks the broker why."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from alpes_wire import Message
from connection.admin import Admin
from connection.client import Client
from connection.errors import ForbiddenError
from connection.reading import partitions
from operations.reconcile.rules import DOWNSTREAM, Input
from operations.reconcile.unacknowledged import IncompleteError, unacknowledged
from operations.reconcile.waiting import Waits, order_ids
from schemas.tienda.topics import NAMESPACE

SILENT_AFTER_S = 30
"""A function calls an input silent if nothing has come from it for this long."""
_SILENT = re.compile(r"user_metric_silent\.(.+)_sum")


class Holder(NamedTuple):
    """A consumer that holds messages: it was given them, and has not acknowledged them.

    Attributes
    ----------
    name, address : str
        As the broker says.
    messages : int
        The number of these messages.
    """

    name: str
    address: str
    messages: int


class Subscription(NamedTuple):
    """What the broker says about a function's subscription to an input, all its partitions together.

    Attributes
    ----------
    waiting : int
        Messages that are not acknowledged.
    delayed : int
        Those of them whose delivery time, which their senders set, hasn't come.
    blocked : bool
        Whether it delivers nothing more, because too many are not acknowledged.
    holders : tuple of Holder
        The consumers that have some.
    """

    waiting: int = 0
    delayed: int = 0
    blocked: bool = False
    holders: tuple[Holder, ...] = ()


class Stall(NamedTuple):
    """An input that delivers nothing, though messages wait in it.

    Attributes
    ----------
    place : str
        Ledger, entry and partition of the first of them, without a partition in a topic that has none; empty if the
        broker withholds it.
    subscription : Subscription
        What the broker says.
    """

    place: str
    subscription: Subscription


def stalled(client: Client, admin: Admin) -> Iterator[Waits]:
    """Yield what waits in the silent inputs, of which their functions say that nothing comes.

    Messages that their senders delayed, or that came only now, are left out: they wait rightly. An input whose messages
    the broker withholds yields one without an order and without a place.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.
    """
    for source in dict.fromkeys(DOWNSTREAM):
        if source.topic not in _silent(admin, source.function):
            continue
        before_ms = (time.time() - SILENT_AFTER_S) * 1000
        try:
            for message in unacknowledged(client, admin, source):
                if max(message.publish_timestamp(), message.deliver_at()) < before_ms:
                    ids: set[str] | set[None] = order_ids(source, message) or {None}
                    yield from (Waits(source.topic, order_id, _place(message)) for order_id in ids)
        except IncompleteError:
            known = subscription(admin, source)
            if known.waiting > known.delayed:
                yield Waits(source.topic, None)


def subscription(admin: Admin, source: Input) -> Subscription:
    """Ask the broker about a function's subscription to an input."""
    paths = (each.name.rsplit("/", 1)[-1] for each in partitions(admin, source.topic))
    stats = [admin.find(f"/admin/v2/persistent/{NAMESPACE}/{path}/stats") or {} for path in paths]
    found: list[dict[str, Any]] = [(each.get("subscriptions") or {}).get(source.function) or {} for each in stats]
    consumers = [consumer for each in found for consumer in each.get("consumers") or []]
    return Subscription(
        sum(int(each.get("msgBacklog", 0)) for each in found),
        sum(int(each.get("msgDelayed", 0)) for each in found),
        any(each.get("blockedSubscriptionOnUnackedMsgs", False) for each in found),
        tuple(
            Holder(str(consumer.get("consumerName", "")), str(consumer.get("address", "")).lstrip("/"), number)
            for consumer in consumers
            if (number := int(consumer.get("unackedMessages", 0))) > 0
        ),
    )


def _place(message: Message) -> str:
    at = message.message_id()
    return f"{at.ledger}:{at.entry}" if at.number < 0 else f"{at.ledger}:{at.entry}:{at.number}"


def _silent(admin: Admin, function: str) -> set[str]:
    try:
        stats = admin.find(f"/admin/v3/functions/{NAMESPACE}/{function}/stats") or {}
    except ForbiddenError:
        # What waits then counts as on its way. To ask a function takes a right with which one could replace it.
        return set()
    told = [(each.get("metrics") or {}).get("userMetrics") or {} for each in stats.get("instances") or []]
    names = {name for each in told for name, value in each.items() if value > 0}
    return {found[1] for name in names if (found := _SILENT.fullmatch(name))}
