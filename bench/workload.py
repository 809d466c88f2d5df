"""Makes the orders of a run before it begins: their ids, clients and bytes. Pure."""

import random
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from schemas.tienda.v1.ordenes_pb2 import CrearOrden

Ids = Literal["each", "zipf"]
Clients = Literal["uniform", "zipf", "half"]

CLIENTS = 10_000
EXPONENT = 1.0
"""The Zipf distributions' exponent: the k-th most frequent value is drawn in proportion to 1/k."""
BIG_CLIENT = 0
MIN_CENTS, MAX_CENTS = 100, 50_000
LAST = "~"
"""Sorts after every character of an order id, so all ids with a prefix lie between it and `prefix + LAST`."""


@dataclass(frozen=True)
class Workload:
    """Which orders a run sends.

    Attributes
    ----------
    prefix : str
        The beginning of the ids; no other run has the same.
    orders : int
        How many commands to send.
    ids : str
        ``each``: every command has a new id. ``zipf``: ids are drawn with replacement, so many orders come repeatedly.
    clients : str
        ``uniform``, drawn with ``zipf``, or ``half`` of all orders by one client.
    seed : int
        The same seed gives the same orders.
    """

    prefix: str
    orders: int
    ids: Ids = "each"
    clients: Clients = "uniform"
    seed: int = 1

    def numbers(self) -> "array[int]":
        """Return, for each command, the number of its order."""
        if self.ids == "each":
            return array("q", range(self.orders))
        return array("q", zipf(self.orders, self.orders, random.Random(self.seed)))

    def distinct(self) -> list[int]:
        """Return the numbers of all orders, each once and sorted."""
        return sorted(set(self.numbers()))

    def id_of(self, number: int) -> str:
        """Return the id of an order. Ids sort like their numbers."""
        return f"{self.prefix}{number:08d}"

    def number_of(self, order_id: str) -> int | None:
        """Return the number of an order; None for an order of another run."""
        tail = order_id[len(self.prefix) :]
        return int(tail) if order_id.startswith(self.prefix) and tail.isascii() and tail.isdigit() else None

    def commands(self, created_at_ms: int) -> list[tuple[str, bytes]]:
        """Return each command's key and bytes, in the order in which they are sent.

        All commands about one order have the same bytes: other content under a known id would be a conflict.
        """
        numbers = self.numbers()
        made: dict[int, tuple[str, bytes]] = {}
        clients = self._clients()
        for number in sorted(set(numbers)):
            order_id = self.id_of(number)
            order = CrearOrden(
                id=order_id,
                client_id=clients[number],
                address=f"Calle {number % 180} # {number % 99}-{number % 60}, Bogotá",
                created_at_ms=created_at_ms,
                total_cents=MIN_CENTS + number * 7919 % (MAX_CENTS - MIN_CENTS),
                currency="USD",
            )
            made[number] = order_id, order.SerializeToString()
        return [made[number] for number in numbers]

    def _clients(self) -> Sequence[int]:
        draw = random.Random(f"clients {self.seed}")
        if self.clients == "zipf":
            return zipf(self.orders, CLIENTS, draw)
        if self.clients == "half":
            return [BIG_CLIENT if draw.random() < 0.5 else 1 + draw.randrange(CLIENTS) for _ in range(self.orders)]
        return [1 + draw.randrange(CLIENTS) for _ in range(self.orders)]


def zipf(count: int, size: int, draw: random.Random) -> list[int]:
    """Draw ``count`` numbers from 0 … size − 1; k is drawn in proportion to 1/(k+1)^`EXPONENT`."""
    weights = list(accumulate((k + 1) ** -EXPONENT for k in range(size)))
    return draw.choices(range(size), cum_weights=weights, k=count)
