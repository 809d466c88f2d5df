"""What Reporting knows of an order, and what a report is made of. Pure: values in, values out."""

from collections.abc import Iterator
from typing import NamedTuple


class Orden(NamedTuple):
    """An order as its last known change describes it. The one with the highest version is right."""

    id: str
    client_id: int
    status: str
    total_cents: int
    currency: str
    version: int
    created_at_ms: int
    updated_at_ms: int


class Pedido(NamedTuple):
    """A report that was asked for."""

    report_id: str
    format: str
    traceparent: str


class Report(NamedTuple):
    """What a format renders.

    Attributes
    ----------
    generated_at_ms
        Unix milliseconds.
    ordenes
        Every order, sorted by id, all of one moment. Can be iterated once.
    """

    generated_at_ms: int
    ordenes: Iterator[Orden]
