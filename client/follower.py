"""Follows orders to their end: reads statuses and dead letters into the ledger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Self

from google.protobuf.message import DecodeError

from alpes_wire import Message
from alpes_wire.names import DEAD_LETTER_SUFFIX, ERROR_TYPE
from client.ledger import Ledger
from connection.client import Client
from connection.reading import key, properties
from connection.tail import Tail
from schemas.tienda import upcasters
from schemas.tienda.contracts import CONTRACTS
from schemas.tienda.topics import ORDEN_ACTUALIZADA, ORDER_DEAD_LETTERS
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada

TICK_S = 0.1


class Follower:
    """Fills a ledger from the topics in which orders end.

    Open it before the first order is sent, and keep it open until the last has ended.

    Parameters
    ----------
    client
        A connected Pulsar client.
    ledger
        Records how each order ends.
    """

    def __init__(self, client: Client, ledger: Ledger) -> None:
        self._ledger = ledger
        self._tail = Tail(client, (ORDEN_ACTUALIZADA, *ORDER_DEAD_LETTERS), partial(record, ledger))

    def __enter__(self) -> Self:
        self._tail.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._tail.__exit__()

    def wait(self, patience_s: float, stop: threading.Event, tick: Callable[[], None]) -> bool:
        """Wait until every message has ended.

        Parameters
        ----------
        patience_s
            Give up when no order has ended for this long.
        stop
            Give up when this is set.
        tick
            Called ten times a second.

        Returns
        -------
        bool
            Whether every order has ended.
        """
        finished, last_progress = self._ledger.finished, time.monotonic()
        while self._ledger.finished < self._ledger.messages:
            stop.wait(TICK_S)
            tick()
            now = time.monotonic()
            if self._ledger.finished != finished:
                finished, last_progress = self._ledger.finished, now
            if stop.is_set() or now - last_progress > patience_s:
                return False
        return True


def record(ledger: Ledger, topic: str, message: Message, arrived_ns: int) -> None:
    """Record in the ledger what a message says about an order; ignore a message that can't be decoded."""
    if topic == ORDEN_ACTUALIZADA:
        try:
            event = upcasters.newest(OrdenActualizada.FromString(message.data()), message.publish_timestamp)
        except DecodeError:
            return
        ledger.updated(event.id, event.status, event.version, arrived_ns, event.created_at_ms)
    else:
        reason = properties(message).get(ERROR_TYPE, "no reason given")
        ledger.dead_lettered(_dead_order_id(topic, message), f"{reason} ({topic})", arrived_ns)


def _dead_order_id(topic: str, message: Message) -> str:
    if order_id := key(message):
        return order_id
    contract = CONTRACTS[topic.removesuffix(DEAD_LETTER_SUFFIX)]
    try:
        return str(getattr(contract.kind.FromString(message.data()), contract.id_field))
    except DecodeError:
        return ""
