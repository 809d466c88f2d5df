"""Finds the orders for which a message waits that may take them further."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from alpes_wire import Message
from alpes_wire.names import SOURCE_TOPIC
from connection.admin import Admin
from connection.client import Client
from connection.reading import key, properties
from operations.dlq import decoding
from operations.reconcile.rules import DOWNSTREAM, REFUNDS, RETRIES, Input
from operations.reconcile.unacknowledged import IncompleteError, unacknowledged
from schemas.tienda import rules


class Waits(NamedTuple):
    """A message that waits, or is being worked on.

    Attributes
    ----------
    topic : str
        The topic that it waits in.
    order_id : str or None
        The order that it is for; None if that isn't known, because more waits than was read, or it names no order.
    place : str
        Ledger, entry and partition of the message, if one was read.
    """

    topic: str
    order_id: str | None
    place: str = ""


def waiting(client: Client, admin: Admin, sources: set[Input]) -> Iterator[Waits]:
    """Yield the orders that messages wait for in some inputs.

    The inputs are read in the order in which an order passes them, and those after a refund again. A message is
    acknowledged only after what it caused is recorded and published. So an order that moves on meanwhile is found
    further down, or its rows have changed by then.

    Times play no part: a message may wait for as long as an outage takes, and each of its attempts is published anew.

    Parameters
    ----------
    client, admin
        Connections to Pulsar, by its protocol and by its admin API.
    sources
        The inputs.
    """
    way = DOWNSTREAM if REFUNDS in sources else tuple(dict.fromkeys(DOWNSTREAM))
    for source in way:
        if source not in sources:
            continue
        try:
            for message in unacknowledged(client, admin, source):
                for order_id in order_ids(source, message):
                    yield Waits(source.topic, order_id)
        except IncompleteError:
            yield Waits(source.topic, None)


def order_ids(source: Input, message: Message) -> set[str]:
    """Return the order that a message is for, by its content and its key; none for a timer or what is no message."""
    topic = source.topic
    if source in RETRIES:
        topic = properties(message).get(SOURCE_TOPIC, topic).rsplit("/", 1)[-1]
    said = decoding.order_id(topic, message.data())
    return {order_id for order_id in (said, key(message)) if not rules.id_problem("id", order_id)}
