"""What an order is and how it may change. Pure: values in, values out."""

from collections import Counter
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from schemas.tienda.orden import APROBADA, CREADA, EXPIRADA, RECHAZADA, REEMBOLSADA, TRANSACTION_STATUSES, Direccion

VENCIDA = "vencida"
"""What happens to an order whose time to be paid is over. The other happenings are a transaction's statuses."""
HAPPENINGS = (*TRANSACTION_STATUSES, VENCIDA)


class Reaction(Enum):
    """What an order does about something that happens to it."""

    MOVE = "change the order's status, and emit its event"
    TELL = "emit the last event again: the order has that status already, or it is too late to matter"
    REFUND = "have the charge paid back: the order had expired before"
    WAIT = "look again later: what this needs has not happened yet"
    REFUSE = "refuse it: it contradicts the order"
    NOTHING = "do nothing"


REACTIONS = {
    (CREADA, APROBADA): Reaction.MOVE,
    (CREADA, RECHAZADA): Reaction.MOVE,
    (CREADA, REEMBOLSADA): Reaction.WAIT,
    (CREADA, VENCIDA): Reaction.MOVE,
    (APROBADA, APROBADA): Reaction.TELL,
    (APROBADA, RECHAZADA): Reaction.REFUSE,
    (APROBADA, REEMBOLSADA): Reaction.REFUSE,
    (APROBADA, VENCIDA): Reaction.NOTHING,
    (RECHAZADA, APROBADA): Reaction.REFUSE,
    (RECHAZADA, RECHAZADA): Reaction.TELL,
    (RECHAZADA, REEMBOLSADA): Reaction.REFUSE,
    (RECHAZADA, VENCIDA): Reaction.NOTHING,
    (EXPIRADA, APROBADA): Reaction.REFUND,
    (EXPIRADA, RECHAZADA): Reaction.TELL,
    (EXPIRADA, REEMBOLSADA): Reaction.MOVE,
    (EXPIRADA, VENCIDA): Reaction.TELL,
    (REEMBOLSADA, APROBADA): Reaction.TELL,
    (REEMBOLSADA, RECHAZADA): Reaction.REFUSE,
    (REEMBOLSADA, REEMBOLSADA): Reaction.TELL,
    (REEMBOLSADA, VENCIDA): Reaction.NOTHING,
}
"""The state machine: what an order of each status does about each happening."""


def only_moves(reactions: Mapping[tuple[str, str], Reaction]) -> dict[str, str]:
    """Return each happening with the only status that it changes.

    Raises
    ------
    ValueError
        A happening changes more than one status; `settle` in ordenes.sql takes only one.
    """
    moves = [(happening, status) for (status, happening), reaction in reactions.items() if reaction is Reaction.MOVE]
    if twice := [happening for happening, count in Counter(happening for happening, _ in moves).items() if count > 1]:
        raise ValueError(f"REACTIONS: {', '.join(twice)} changes more than one status")
    return dict(moves)


PREVIOUS = only_moves(REACTIONS)
"""Each happening with the only status that it changes. A transaction changes it to the transaction's own status."""


class Orden(NamedTuple):
    """An order as it was accepted. What was accepted never changes.

    ``direccion`` is None if the address is known as the line ``address`` alone.
    """

    id: str
    client_id: int
    address: str
    total_cents: int
    currency: str
    created_at_ms: int
    traceparent: str
    direccion: Direccion | None = None


OF_THE_MESSAGE = ("created_at_ms", "traceparent", "direccion")
"""Fields that belong to the message: they may differ when an order is sent again, in another version or the same."""
PERSONAL = ("address", "client_id")
"""Fields whose values are in no log line and no error."""


class OrdenGuardada(NamedTuple):
    """An order as it stands in the table."""

    orden: Orden
    status: str
    version: int
    updated_at_ms: int
    transaction_id: str


class Transaccion(NamedTuple):
    """What Pagos says about an order. Messages of the first clients have no id, no amount and no currency.

    ``status`` is ``aprobada``, ``rechazada`` or, for one that is paid back, ``reembolsada``.
    """

    order_id: str
    status: str
    id: str
    amount_cents: int | None
    currency: str


class Ventana(NamedTuple):
    """A window of time, in Unix milliseconds, its end excluded. The orders accepted in it share a timer."""

    from_ms: int
    until_ms: int


class Vencimiento(NamedTuple):
    """A timer, which expires those of a window's unpaid orders whose ids come after ``after_id``.

    ``done`` says that no order is left and that all events are confirmed: the window can be closed.
    """

    ventana: Ventana
    after_id: str = ""
    done: bool = False


def difference(sent: Orden, accepted: Orden) -> str:
    """Return how an order that was sent again differs from the accepted one, empty when it is the same."""
    return ", ".join(
        f"{name} differs" if name in PERSONAL else f"{name} is {getattr(accepted, name)!r}, not {getattr(sent, name)!r}"
        for name in Orden._fields
        if name not in OF_THE_MESSAGE and getattr(accepted, name) != getattr(sent, name)
    )


def reaction(transaccion: Transaccion, guardada: OrdenGuardada) -> Reaction:
    """Return what an order does about a transaction; `Reaction.MOVE` when it has not been moved yet."""
    if contradiction(transaccion, guardada):
        return Reaction.REFUSE
    return REACTIONS[guardada.status, transaccion.status]


def contradiction(transaccion: Transaccion, guardada: OrdenGuardada) -> str:
    """Return why a transaction contradicts the order, empty when it doesn't."""
    orden = guardada.orden
    if transaccion.amount_cents not in (None, orden.total_cents):
        return (
            f"the order's total_cents is {orden.total_cents}, the transaction's amount_cents {transaccion.amount_cents}"
        )
    if transaccion.currency not in ("", orden.currency):
        return f"the order's currency is {orden.currency}, the transaction's {transaccion.currency}"
    if REACTIONS[guardada.status, transaccion.status] is Reaction.REFUSE:
        by = guardada.transaction_id or "(no id)"
        return f"the order can't become {transaccion.status}: it is {guardada.status} already, by transaction {by}"
    if transaccion.id and guardada.transaction_id and transaccion.id != guardada.transaction_id:
        return f"the order is {guardada.status} by transaction {guardada.transaction_id}, not by {transaccion.id}"
    return ""


def ventana(accepted_at_ms: int, width_ms: int) -> Ventana:
    """Return the window that a moment falls in."""
    start = accepted_at_ms - accepted_at_ms % width_ms
    return Ventana(start, start + width_ms)
