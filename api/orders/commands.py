"""Remembers which commands the broker has, so that a repeated request is told from a new one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from api.orders.model import content_of_command
from connection.admin import Admin
from connection.client import Client
from connection.reading import partitions, read, start_of_newest
from schemas.tienda.topics import CREAR_ORDEN

MOST = 500_000
"""Of how many commands the content is remembered. One takes about 140 bytes."""
LOOK_BACK_ENTRIES = (2_000, 200, 20)
"""How far to read back at the start: the first of these that takes no longer than `LOOK_BACK_S`. An entry holds one
message or a thousand."""
LOOK_BACK_S = 2.0


class Seen(NamedTuple):
    """A command that was sent before.

    Attributes
    ----------
    content
        Its fingerprint; see `api.orders.model.content`.
    confirmed
        Whether the broker is known to have it.
    """

    content: int
    confirmed: bool


class Commands:
    """The contents of the commands that were sent lately, by the order's id.

    Parameters
    ----------
    most
        How many are remembered; the oldest is forgotten first.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        # By the hash of the id, which is half the size. Python's is random in each process, so nobody can aim at it.
        self._confirmed: dict[int, int] = {}
        # Looking for a dict's first key takes the longer, the more were deleted before it.
        self._oldest_first: deque[int] = deque()
        self._in_flight: dict[str, int] = {}

    def find(self, order_id: str) -> Seen | None:
        """Return the command that was sent for an order; None if none is known."""
        if (content := self._in_flight.get(order_id)) is not None:
            return Seen(content, confirmed=False)
        content = self._confirmed.get(hash(order_id))
        return None if content is None else Seen(content, confirmed=True)

    def begin(self, order_id: str, content: int) -> None:
        """Note that a command is about to be sent."""
        self._in_flight[order_id] = content

    def end(self, order_id: str, *, confirmed: bool) -> None:
        """Note that the broker has it, or that this isn't known."""
        content = self._in_flight.pop(order_id)
        if confirmed:
            self.remember(order_id, content)

    def remember(self, order_id: str, content: int) -> None:
        """Note a command that the broker has, unless one for the same order came first."""
        known_as = hash(order_id)
        if known_as in self._confirmed:
            return
        if len(self._confirmed) >= self._most:
            del self._confirmed[self._oldest_first.popleft()]
        self._confirmed[known_as] = content
        self._oldest_first.append(known_as)


def look_back(client: Client, admin: Admin) -> list[tuple[str, int]]:
    """Return the ids and contents of the commands that were published last, the earliest first."""
    for entries in LOOK_BACK_ENTRIES:
        found, ends_at = [], time.monotonic() + LOOK_BACK_S
        for each in _newest(client, admin, entries):
            found.append(each)
            if time.monotonic() > ends_at:
                break
        else:
            return found
    return []


def _newest(client: Client, admin: Admin, entries: int) -> Iterator[tuple[str, int]]:
    for partition in partitions(admin, CREAR_ORDEN):
        for message in read(client, admin, partition, start=start_of_newest(admin, partition, entries)):
            if message.problem:
                continue
            found = content_of_command(message.data(), message.publish_timestamp())
            if found is not None:
                yield found
