"""What Ordenes does with a batch of commands, with a batch of transactions, and with its timers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alpes_runtime import Done, Event, Outcome, Rejected, Retry, Transaction
from schemas.tienda.orden import EXPIRADA
from schemas.tienda.upcasters import NEWEST

from . import messages, store
from .domain import (
    Orden,
    OrdenGuardada,
    Reaction,
    Transaccion,
    Vencimiento,
    Ventana,
    contradiction,
    difference,
    reaction,
    ventana,
)

UNFINISHED_WAIT_MS = 5000
"""How long a timer waits for transactions that may still accept an order within its window."""
LEAST_WAIT_MS = 2000
"""Shortest wait of a timer that came too early."""
FORGOTTEN_MS = 60_000
"""Time after a window's end at which its timer is sent again if it never came."""
MOST_FORGOTTEN = 20
"""Most windows whose timers one timer sends again."""
REMEMBERED_WINDOWS = 1000


@dataclass(frozen=True, kw_only=True)
class Topics:
    """The topics that Ordenes publishes to. It receives its timers from the last one."""

    orden_creada: str
    orden_actualizada: str
    reembolsar_transaccion: str
    reintento: str


@dataclass(frozen=True, kw_only=True)
class Plazo:
    """How long an order waits for its payment.

    Parameters
    ----------
    after_ms
        Milliseconds from its acceptance until it expires; 0 for never.
    width_ms
        Orders accepted within a window of so many milliseconds share a timer.
    """

    after_ms: int
    width_ms: int

    def delay_ms(self, window: Ventana, now_ms: int) -> int:
        """Return the milliseconds until every order of a window may expire, 0 or less when they may."""
        return window.until_ms + self.after_ms - now_ms


class KnownWindows:
    """Remembers windows that a committed transaction opened: their timers are under way."""

    def __init__(self) -> None:
        self._known: set[Ventana] = set()
        self._opening: Transaction | None = None

    def __contains__(self, window: Ventana) -> bool:
        return window in self._known

    def opened_by(self, transaction: Transaction) -> None:
        """Note the transaction that has just opened a window: its commit is still to come, and may fail."""
        self._opening = transaction

    def found_open(self, window: Ventana, transaction: Transaction) -> None:
        """Remember a window that a committed transaction opened; skip one that ``transaction`` itself opened."""
        if transaction is self._opening:
            return
        if len(self._known) >= REMEMBERED_WINDOWS:
            self._known.clear()
        self._known.add(window)


@dataclass(frozen=True, kw_only=True)
class OrdenesHandlers:
    """The three handlers.

    Parameters
    ----------
    topics
        Where messages go.
    plazo
        How long an order waits for its payment.
    page
        Most orders that expire in one transaction.
    state_per_order
        Whether changes are marked for the state store.
    peers
        Matches the names of the connections that may accept orders; see `InstanceContext.peers`.
    schema_version
        The version in which events about orders are written.
    """

    topics: Topics
    plazo: Plazo
    page: int
    state_per_order: bool
    peers: str
    schema_version: int = NEWEST
    _windows: KnownWindows = field(default_factory=KnownWindows)

    def crear(self, transaction: Transaction, batch: Sequence[Orden]) -> Sequence[Outcome]:
        """Record the orders, and emit `orden-creada` for each. A repeated order gets the same event again."""
        accepted = store.accept(transaction, batch, mark=self.state_per_order)
        outcomes = [self._creada(orden, accepted.ordenes[orden.id]) for orden in batch]
        timers = self._timers(transaction, accepted) if self.plazo.after_ms else []
        return _along(outcomes, timers)

    def liquidar(self, transaction: Transaction, batch: Sequence[Transaccion]) -> Sequence[Outcome]:
        """Give the orders the outcome of their payment, and emit `orden-actualizada` for each.

        An order that is final already gets its last event again. One that was charged after it had expired is paid back
        instead.
        """
        ordenes = store.settle(transaction, batch, mark=self.state_per_order)
        return [self._liquidada(transaccion, ordenes.get(transaccion.order_id)) for transaccion in batch]

    def vencer(self, transaction: Transaction, batch: Sequence[Vencimiento]) -> Sequence[Outcome]:
        """Expire the orders whose time is over, and emit `orden-actualizada` for each.

        A timer expires at most a page of orders. It sends another timer at once for the rest.
        """
        return [self._vencida(transaction, vencimiento) for vencimiento in batch]

    def _creada(self, sent: Orden, accepted: Orden) -> Outcome:
        if sent is not accepted and (why := difference(sent, accepted)):
            return Rejected("conflict", f"order {sent.id} was accepted with other content: {why}")
        return Done((messages.orden_creada(self.topics.orden_creada, accepted, self.schema_version),))

    def _timers(self, transaction: Transaction, accepted: store.Accepted) -> list[Event]:
        """Return the timers that the batch has to start. They arrive at once, and are sent again with a delay.

        New orders need the timer of their window, unless a committed transaction opened the window: its batch is not
        acknowledged before the timer is confirmed. A repeated order may come from a batch that failed before that, so
        its window's timer is sent again unless it has arrived.
        """
        windows: set[Ventana] = set()
        if accepted.new:
            window = ventana(accepted.now_ms, self.plazo.width_ms)
            if window not in self._windows:
                if store.open_window(transaction, window):
                    windows.add(window)
                    self._windows.opened_by(transaction)
                else:
                    self._windows.found_open(window, transaction)
        if repeated := accepted.ordenes.keys() - set(accepted.new):
            windows.update(store.unarmed_windows_of(transaction, sorted(repeated)))
        return [self._timer(Vencimiento(window), 0) for window in sorted(windows)]

    def _timer(self, vencimiento: Vencimiento, delay_ms: int) -> Event:
        return messages.vencer_ordenes(self.topics.reintento, vencimiento, delay_ms)

    def _liquidada(self, transaccion: Transaccion, guardada: OrdenGuardada | None) -> Outcome:
        order_id = transaccion.order_id
        if guardada is None:
            return Retry("early", f"there is no order {order_id} (yet)")
        match reaction(transaccion, guardada):
            case Reaction.REFUSE:
                why = contradiction(transaccion, guardada)
                return Rejected("conflict", f"transaction for order {order_id}: {why}")
            case Reaction.REFUND:
                topic = self.topics.reembolsar_transaccion
                return Done((messages.reembolsar_transaccion(topic, transaccion, guardada),))
            case Reaction.TELL:
                return Done((self._actualizada(guardada),))
            case _:
                # The transaction comes before what it needs, another one for the order came first in this batch, or
                # another instance has just recorded the order.
                return Retry("early", f"order {order_id} is {guardada.status}, and could not be settled yet")

    def _actualizada(self, guardada: OrdenGuardada) -> Event:
        return messages.orden_actualizada(self.topics.orden_actualizada, guardada, self.schema_version)

    def _vencida(self, transaction: Transaction, vencimiento: Vencimiento) -> Outcome:
        window = vencimiento.ventana
        if not self.plazo.after_ms:
            # With this configuration no order expires. The window stays, to be found again if that changes.
            store.arm_window(transaction, window, armed=False)
            return Done()
        if vencimiento.done:
            store.close_window(transaction, window)
            return Done()
        if not store.arm_window(transaction, window, armed=True):
            return Done()
        due = store.due(transaction, window, self.peers)
        wait_ms = self.plazo.delay_ms(window, due.now_ms)
        if wait_ms > 0:
            forgotten = store.forgotten_windows(transaction, FORGOTTEN_MS, MOST_FORGOTTEN)
            timers = [self._timer(Vencimiento(other), 0) for other in forgotten]
            # Pulsar may deliver a timer a little early. The shortest wait keeps it from coming again and again.
            return Done((self._timer(vencimiento, max(wait_ms, LEAST_WAIT_MS)), *timers))
        if due.unfinished and not vencimiento.after_id:
            return Done((self._timer(vencimiento, UNFINISHED_WAIT_MS),))
        expired = store.expire(transaction, vencimiento, self.page, mark=self.state_per_order)
        events = [self._actualizada(guardada) for guardada in expired.values() if guardada.status == EXPIRADA]
        full = len(expired) == self.page
        # This timer is sent after the events, so its arrival shows that they are confirmed.
        following = Vencimiento(window, max(expired)) if full else Vencimiento(window, done=True)
        return Done((*events, self._timer(following, 0)))


def _along(outcomes: list[Outcome], events: Sequence[Event]) -> list[Outcome]:
    """Return the outcomes, with further events added to the first one that is `Done`."""
    if events:
        place = next((n for n, outcome in enumerate(outcomes) if isinstance(outcome, Done)), None)
        if place is not None:
            outcomes[place] = Done((*outcomes[place].events, *events))  # type: ignore[union-attr]
    return outcomes
