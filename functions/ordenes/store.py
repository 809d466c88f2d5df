"""Orders in PostgreSQL: applies a batch, and reads back what stands there."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from alpes_runtime import Transaction, load_queries
from alpes_runtime.database import Row, columns, first_of_each

from .domain import PREVIOUS, Orden, OrdenGuardada, Transaccion, Vencimiento, Ventana

_SQL = load_queries(Path(__file__).with_name("sql") / "ordenes.sql")
_OF_AN_ORDER = len(Orden._fields)


class Accepted(NamedTuple):
    """A batch after it was recorded.

    Attributes
    ----------
    ordenes
        Every order of the batch as it was accepted, now or before, by id.
    new
        Ids of those that are new.
    now_ms
        When these were accepted, in Unix milliseconds; 0 where none is new.
    """

    ordenes: dict[str, Orden]
    new: Sequence[str]
    now_ms: int


def accept(transaction: Transaction, batch: Sequence[Orden], *, mark: bool) -> Accepted:
    """Record the orders that are new; of several with one id, the first.

    With ``mark`` it is recorded, too, that the state store has to be told about what changes; so below.
    """
    first = first_of_each(batch)
    rows = transaction.execute(_SQL["insert_new"], {**columns(first.values(), Orden), "mark": mark})
    new = [row[0] for row in rows]
    if len(new) < len(first):
        before = stored(transaction, sorted(first.keys() - set(new)))
        first.update((order_id, guardada.orden) for order_id, guardada in before.items())
    return Accepted(first, new, rows[0][1] if rows else 0)


def settle(transaction: Transaction, batch: Sequence[Transaccion], *, mark: bool) -> dict[str, OrdenGuardada]:
    """Move the orders that these transactions may move; of several for one order, the first.

    Returns the orders as they stand then, by id; those that aren't there are missing.
    """
    first = first_of_each(batch)
    pagos = columns(first.values(), Transaccion)
    previous = [PREVIOUS[status] for status in pagos["status"]]
    rows = transaction.execute(_SQL["settle"], {**pagos, "previous": previous, "mark": mark})
    ordenes = {row[0]: _guardada(row) for row in rows}
    if len(ordenes) < len(first):
        ordenes.update(stored(transaction, sorted(first.keys() - ordenes.keys())))
    return ordenes


class Due(NamedTuple):
    """What a timer finds.

    Attributes
    ----------
    now_ms
        The database's time, in Unix milliseconds.
    unfinished
        Whether a transaction that may accept an order within the timer's window is still open.
    """

    now_ms: int
    unfinished: bool


def open_window(transaction: Transaction, window: Ventana) -> bool:
    """Record that orders are accepted within a window; False where that is recorded, and committed, already."""
    return bool(transaction.execute(_SQL["open_window"], window._asdict()))


def arm_window(transaction: Transaction, window: Ventana, *, armed: bool) -> bool:
    """Record whether a window's timer is under way; False where the window is closed, or was never opened."""
    return bool(transaction.execute(_SQL["arm_window"], {**window._asdict(), "armed": armed}))


def forgotten_windows(transaction: Transaction, older_ms: int, most: int) -> list[Ventana]:
    """Return windows that ended so long ago and whose timer never came."""
    return [
        Ventana(*row) for row in transaction.execute(_SQL["forgotten_windows"], {"older_ms": older_ms, "most": most})
    ]


def close_window(transaction: Transaction, window: Ventana) -> None:
    """Forget a window that no order waits in any more."""
    transaction.execute(_SQL["close_window"], window._asdict())


def unarmed_windows_of(transaction: Transaction, ids: Sequence[str]) -> list[Ventana]:
    """Return the windows of these orders whose timer may never have been published."""
    return [Ventana(*row) for row in transaction.execute(_SQL["unarmed_windows_of"], {"ids": ids})]


def due(transaction: Transaction, window: Ventana, peers: str) -> Due:
    """Return what a timer has to know before it lets orders expire.

    ``peers`` matches the names of the connections that may accept orders.
    """
    transaction.execute(_SQL["forget_activity"])
    ((now_ms, unfinished),) = transaction.execute(_SQL["due"], {"until_ms": window.until_ms, "peers": peers})
    return Due(now_ms, unfinished)


def expire(transaction: Transaction, vencimiento: Vencimiento, most: int, *, mark: bool) -> dict[str, OrdenGuardada]:
    """Let a window's next ``most`` unpaid orders expire, and return these and those that had expired before.

    They are as they stand then, by id and in its order; one that was paid at the last moment is not expired.
    """
    page = {**vencimiento.ventana._asdict(), "after_id": vencimiento.after_id, "most": most}
    ids = [row[0] for row in transaction.execute(_SQL["unpaid"], page)]
    if not ids:
        return {}
    rows = transaction.execute(_SQL["expire"], {"ids": ids, "mark": mark})
    changed = {row[0]: _guardada(row) for row in rows}
    before = stored(transaction, sorted(set(ids) - changed.keys())) if len(changed) < len(ids) else {}
    return {order_id: changed.get(order_id) or before[order_id] for order_id in ids}


def stored(transaction: Transaction, ids: Sequence[str]) -> dict[str, OrdenGuardada]:
    """Read orders by id."""
    return {row[0]: _guardada(row) for row in transaction.execute(_SQL["stored"], {"ids": ids})}


def _guardada(row: Row) -> OrdenGuardada:
    return OrdenGuardada(Orden(*row[:_OF_AN_ORDER]), *row[_OF_AN_ORDER:])
