"""The orders of a run, made before it begins: how ids and clients are spread, and each order's bytes. Pure."""

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
"""Of the Zipf distributions: the k-th most frequent one comes up in proportion to 1/k."""
BIG_CLIENT = 0
MIN_CENTS, MAX_CENTS = 100, 50_000
LAST = "~"
"""Sorts after every character that an order id may have: a prefix is a range."""


@dataclass(frozen=True)
class Workload:
    """Which orders a run sends.

    Attributes
    ----------
    prefix : str
        How the ids begin; of no other run.
    orders : int
        How many commands.
    ids : str
        ``each`` is new, or ids are drawn from as many with ``zipf``: the same order comes again and again.
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
        """Return the number of the order that each command is about."""
        if self.ids == "each":
            return array("q", range(self.orders))
        return array("q", zipf(self.orders, self.orders, random.Random(self.seed)))

    def distinct(self) -> list[int]:
        """Return the numbers of all orders, each once, rising."""
        return sorted(set(self.numbers()))

    def id_of(self, number: int) -> str:
        """Return the id of an order; ids sort as their numbers do."""
        return f"{self.prefix}{number:08d}"

    def number_of(self, order_id: str) -> int | None:
        """Return the number of an order, None for an order of another run."""
        tail = order_id[len(self.prefix) :]
        return int(tail) if order_id.startswith(self.prefix) and tail.isascii() and tail.isdigit() else None

    def commands(self, created_at_ms: int) -> list[tuple[str, bytes]]:
        """Return each command's key and bytes, in the order in which they are sent.

        Commands about one order are the same bytes: other content under a known id would be a conflict.
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
    """Draw ``count`` times from 0 … size − 1, where k comes up in proportion to 1/(k+1)^`EXPONENT`."""
    weights = list(accumulate((k + 1) ** -EXPONENT for k in range(size)))
    return draw.choices(range(size), cum_weights=weights, k=count)
