"""Remembers what the topics said of orders lately, and wakes who waits for one: a single tail for all requests."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError

from alpes_wire import Message
from alpes_wire.names import ERROR_MESSAGE, ERROR_TYPE, OMITTED
from connection.reading import key, properties
from schemas.tienda import topics
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada

FOLLOWED = (topics.ORDEN_ACTUALIZADA, *topics.ORDER_DEAD_LETTERS)
"""The topics in which orders end."""
LETTERS_EACH = 4
"""How many dead letters of an order are kept."""


class DeadLetter(NamedTuple):
    """Why a message about an order was given up.

    Attributes
    ----------
    topic
        Where the dead letter lies.
    kind
        The kind of failure, such as `conflict`.
    reason
        The function's reason, for a person to read.
    payload
        The message; empty if it was left out.
    """

    topic: str
    kind: str
    reason: str
    payload: bytes

    def as_json(self) -> dict[str, Any]:
        """Return what callers are told of it."""
        return {"topic": self.topic, "kind": self.kind, "reason": self.reason}


class Outcome(NamedTuple):
    """The latest news of one order.

    Attributes
    ----------
    event
        Its newest event; None if none came.
    letters
        Its last dead letters, the latest at the end.
    is_old
        Whether the topics weren't followed for a while since: an operator may have replayed the letters.
    """

    event: OrdenActualizada | None = None
    letters: tuple[DeadLetter, ...] = ()
    is_old: bool = False


class Outcomes:
    """The latest news of the orders that changed last. All its methods but `take` belong to one event loop.

    Parameters
    ----------
    most
        Of how many orders the news is kept; the oldest is forgotten first.

    Attributes
    ----------
    stopping : bool
        Whether nobody waits any longer, since the API ends.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._events: OrderedDict[str, bytes] = OrderedDict()
        self._letters: OrderedDict[str, deque[DeadLetter]] = OrderedDict()
        self._old: set[str] = set()
        self._waiting: dict[str, list[asyncio.Future[None]]] = {}
        self._arrived: deque[tuple[str, Message]] = deque()
        self._awaited = False
        self.stopping = False

    def take(self, topic: str, message: Message, _arrived_ns: int) -> None:
        """Take a message; called from any thread."""
        self._arrived.append((topic, message))
        if not self._awaited:
            self._awaited = True
            self._loop.call_soon_threadsafe(self._sort)

    def find(self, order_id: str) -> Outcome | None:
        """Return what is known of an order; None if nothing is."""
        payload, letters = self._events.get(order_id), self._letters.get(order_id)
        if payload is None and letters is None:
            return None
        event = None if payload is None else OrdenActualizada.FromString(payload)
        return Outcome(event, tuple(letters or ()), order_id in self._old)

    def miss(self) -> None:
        """Forget the events, since later ones will be missed, and take the dead letters for old."""
        self._events.clear()
        self._old.update(self._letters)

    def forget(self, order_id: str) -> None:
        """Forget what is known of an order."""
        self._events.pop(order_id, None)
        self._letters.pop(order_id, None)
        self._old.discard(order_id)

    async def news(self, order_id: str, seconds: float) -> bool:
        """Wait for news of an order; return whether some came in time."""
        if self.stopping:
            return False
        told = self._loop.create_future()
        waiting = self._waiting.setdefault(order_id, [])
        waiting.append(told)
        try:
            async with asyncio.timeout(seconds):
                await told
        except TimeoutError:
            return False
        finally:
            waiting.remove(told)
            if not waiting:
                self._waiting.pop(order_id, None)
        return not self.stopping

    def stop(self) -> None:
        """Let nobody wait any longer."""
        self.stopping = True
        for waiting in self._waiting.values():
            _wake(waiting)

    def _sort(self) -> None:
        self._awaited = False
        while self._arrived:
            topic, message = self._arrived.popleft()
            if message.problem:
                continue
            if topic == topics.ORDEN_ACTUALIZADA:
                order_id = self._keep_event(message.data())
            else:
                order_id = self._keep_letter(topic, message)
            if waiting := self._waiting.get(order_id):
                _wake(waiting)

    def _keep_event(self, payload: bytes) -> str:
        try:
            event = OrdenActualizada.FromString(payload)
        except DecodeError:
            return ""
        known = self._events.pop(event.id, None)
        # The topic promises no order, so an event may come after a newer one.
        is_old = known is not None and OrdenActualizada.FromString(known).version > event.version
        self._events[event.id] = known if is_old and known is not None else payload
        if len(self._events) > self._most:
            self._events.popitem(last=False)
        return event.id

    def _keep_letter(self, topic: str, message: Message) -> str:
        order_id, said = key(message), properties(message)
        letter = DeadLetter(
            topic,
            said.get(ERROR_TYPE, "unknown"),
            " ".join((said.get(ERROR_MESSAGE) or "no reason given").split()),
            b"" if OMITTED in said else message.data(),
        )
        letters = self._letters.pop(order_id, None) or deque(maxlen=LETTERS_EACH)
        letters.append(letter)
        self._letters[order_id] = letters
        self._old.discard(order_id)
        if len(self._letters) > self._most // 10:
            self._old.discard(self._letters.popitem(last=False)[0])
        return order_id


def _wake(waiting: list[asyncio.Future[None]]) -> None:
    for told in waiting:
        if not told.done():
            told.set_result(None)
