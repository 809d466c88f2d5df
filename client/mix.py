"""Mixes valid, repeated, contradicting and bad orders, for drills: what each is, and how it should end. Pure."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from schemas.tienda.v1.ordenes_pb2 import CrearOrden

VALID = "valid"
"""A new order that the rules allow: it gets a final status."""
DUPLICATE = "duplicate"
"""An earlier order again, the same in every field: it changes nothing, and no dead letter comes of it."""
CONFLICT = "conflict"
"""An earlier order's id with another amount: it is dead-lettered as a conflict, and the earlier order stays."""
BAD = "bad"
"""A new order that the rules refuse: it is dead-lettered as invalid."""
KINDS = (VALID, DUPLICATE, CONFLICT, BAD)
RECENT = 200
"""A repeat takes one of so many earlier orders. Few, so that a run of any length needs little memory."""
BREACHES = (CrearOrden(total_cents=-1), CrearOrden(currency="usd"), CrearOrden(currency="XTS"))
"""What makes a bad order bad, in turn."""


class Planned(NamedTuple):
    """A message of a run.

    Attributes
    ----------
    number : int
        Its place in the run, from 0 on. A run that is continued counts on.
    order : CrearOrden
        What is sent.
    kind : str
        One of `KINDS`.
    """

    number: int
    order: CrearOrden
    kind: str = VALID


def plain(orders: Iterable[CrearOrden]) -> Iterator[Planned]:
    """Number orders, all of which should be valid."""
    return (Planned(number, order) for number, order in enumerate(orders))


def mixed(orders: Iterable[CrearOrden], weights: Mapping[str, int], seed: int) -> Iterator[Planned]:
    """Replace some orders by repeats of earlier ones, and make others bad.

    Parameters
    ----------
    orders
        Valid orders, each with an id of its own. As many messages come out as go in.
    weights
        How often each kind comes, relative to the others; a kind without a weight doesn't come. The first message is
        always valid, since a repeat needs an earlier order.
    seed
        Decides which message is of which kind.

    Yields
    ------
    Planned
        The messages in the order in which to send them.
    """
    draw = random.Random(seed)  # noqa: S311 - made-up orders, not secrets
    kinds, chances = list(weights), list(weights.values())
    recent: deque[CrearOrden] = deque(maxlen=RECENT)
    bad = 0
    for number, order in enumerate(orders):
        kind = draw.choices(kinds, chances)[0] if recent else VALID
        if kind == VALID:
            recent.append(order)
        elif kind == BAD:
            order.MergeFrom(BREACHES[bad % len(BREACHES)])
            bad += 1
        else:
            order.CopyFrom(draw.choice(recent))
            order.total_cents += kind == CONFLICT
        yield Planned(number, order, kind)
