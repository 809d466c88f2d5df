"""Reads `orden-actualizada` events, and refuses those that break the contract."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from alpes_wire.decoding import Undecodable, decode
from schemas.tienda import rules, upcasters
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada


class Cambio(NamedTuple):
    """An order as a change describes it. Of an order's changes, the one with the highest version counts."""

    id: str
    client_id: int
    status: str
    total_cents: int
    currency: str
    version: int
    created_at_ms: int
    updated_at_ms: int


class Newest:
    """Keeps each order's newest change: of several with one version, the first."""

    def __init__(self) -> None:
        self._newest: dict[str, Cambio] = {}

    def add(self, change: Cambio) -> None:
        """Add a change. Changes come in the topic's order."""
        known = self._newest.get(change.id)
        if known is None or known.version < change.version:
            self._newest[change.id] = change

    def take(self) -> Collection[Cambio]:
        """Return the kept changes, and start empty again."""
        taken, self._newest = self._newest, {}
        return taken.values()


def cambio(data: bytes, published_ms: Callable[[], int]) -> Cambio:
    """Return what the payload of an `orden-actualizada` says.

    Parameters
    ----------
    data
        The payload.
    published_ms
        See `upcasters.newest`.

    Raises
    ------
    Undecodable
        The payload breaks the contract; the text names the field that is wrong.
    """
    message = upcasters.newest(decode(OrdenActualizada, data), published_ms)
    problem = (
        rules.event_type_problem(message.event_type, "orden-actualizada")
        or rules.id_problem("id", message.id)
        or rules.status_problem(message.status, FINAL_STATUSES)
        or rules.total_problem(message.total_cents)
        or rules.currency_problem(message.currency)
        or rules.time_problem("created_at_ms", message.created_at_ms)
        or rules.time_problem("updated_at_ms", message.updated_at_ms)
    )
    if problem:
        raise Undecodable(problem)
    return Cambio(
        message.id,
        message.client_id,
        message.status,
        message.total_cents,
        message.currency,
        message.version,
        message.created_at_ms,
        message.updated_at_ms,
    )
