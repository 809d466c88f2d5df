"""Orders in PostgreSQL: applies a batch, and reads back what is stored."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from alpes_runtime import Transaction, load_queries
from alpes_runtime.database import Row, columns, first_of_each
from schemas.tienda.orden import Direccion

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
        Ids of the new orders.
    now_ms
        When the new orders were accepted, in Unix milliseconds; 0 if there are none.
    """

    ordenes: dict[str, Orden]
    new: Sequence[str]
    now_ms: int


def accept(transaction: Transaction, batch: Sequence[Orden], *, mark: bool) -> Accepted:
    """Record the new orders. Of several with one id, the first counts.

    With ``mark``, here and in the functions below, the changed orders are also marked for the state store.
    """
    first = first_of_each(batch)
    nuevas = columns(first.values(), Orden)
    nuevas["direccion"] = [_stored_parts(direccion) for direccion in nuevas["direccion"]]
    rows = transaction.execute(_SQL["insert_new"], {**nuevas, "mark": mark})
    new = [row[0] for row in rows]
    if len(new) < len(first):
        before = stored(transaction, sorted(first.keys() - set(new)))
        first.update((order_id, guardada.orden) for order_id, guardada in before.items())
    return Accepted(first, new, rows[0][1] if rows else 0)


def settle(transaction: Transaction, batch: Sequence[Transaccion], *, mark: bool) -> dict[str, OrdenGuardada]:
    """Settle the orders that these transactions may settle. Of several for one order, the first counts.

    Return all their orders by id, as they are afterwards. Orders that don't exist are missing.
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
    """Record that orders are accepted within a window. Return False if that is recorded already."""
    return bool(transaction.execute(_SQL["open_window"], window._asdict()))


def arm_window(transaction: Transaction, window: Ventana, *, armed: bool) -> bool:
    """Record whether a window's timer has arrived. Return False if the window is closed or was never opened."""
    return bool(transaction.execute(_SQL["arm_window"], {**window._asdict(), "armed": armed}))


def forgotten_windows(transaction: Transaction, older_ms: int, most: int) -> list[Ventana]:
    """Return up to ``most`` windows that ended more than ``older_ms`` ago and whose timer never came."""
    return [
        Ventana(*row) for row in transaction.execute(_SQL["forgotten_windows"], {"older_ms": older_ms, "most": most})
    ]


def close_window(transaction: Transaction, window: Ventana) -> None:
    """Remove a window in which no order waits any more."""
    transaction.execute(_SQL["close_window"], window._asdict())


def unarmed_windows_of(transaction: Transaction, ids: Sequence[str]) -> list[Ventana]:
    """Return the windows of these orders whose timer may never have been published."""
    return [Ventana(*row) for row in transaction.execute(_SQL["unarmed_windows_of"], {"ids": ids})]


def due(transaction: Transaction, window: Ventana, peers: str) -> Due:
    """Return what a timer has to know before it expires orders.

    ``peers`` matches the names of the connections that may accept orders.
    """
    transaction.execute(_SQL["forget_activity"])
    ((now_ms, unfinished),) = transaction.execute(_SQL["due"], {"until_ms": window.until_ms, "peers": peers})
    return Due(now_ms, unfinished)


def expire(transaction: Transaction, vencimiento: Vencimiento, most: int, *, mark: bool) -> dict[str, OrdenGuardada]:
    """Expire the unpaid ones of a window's next ``most`` unpaid or expired orders, and return all of these by id.

    They are sorted by id, and shown as they are afterwards. An order that was paid at the last moment is not expired.
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
    orden = Orden(*row[:_OF_AN_ORDER])
    if orden.direccion is not None:
        orden = orden._replace(direccion=_parts(row[_OF_AN_ORDER - 1]))
    return OrdenGuardada(orden, *row[_OF_AN_ORDER:])


def _stored_parts(direccion: Direccion | None) -> str | None:
    if direccion is None:
        return None
    return json.dumps({name: part for name, part in direccion._asdict().items() if part}, ensure_ascii=False)


def _parts(stored: str) -> Direccion:
    parts = json.loads(stored)
    # A later version may have stored further parts.
    return Direccion(*(parts.get(name, "") for name in Direccion._fields))
