"""What Ordenes does with a batch of commands, with a batch of transactions, and when a time is over."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from alpes_runtime import Done, Event, Outcome, Rejected, Retry, Transaction
from schemas.tienda.orden import EXPIRADA

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
"""A window that ended so long ago and whose timer never came is started again."""
MOST_FORGOTTEN = 20
"""How many of these at a time."""
REMEMBERED_WINDOWS = 1000


@dataclass(frozen=True, kw_only=True)
class Topics:
    """Where the messages of Ordenes go; the last one is where its timers come in again."""

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
        """Return the milliseconds until every order of a window may expire, 0 or less when it is so."""
        return window.until_ms + self.after_ms - now_ms


class KnownWindows:
    """Windows that a committed transaction has opened, so that their timers are under way."""

    def __init__(self) -> None:
        self._known: set[Ventana] = set()
        self._opening: Transaction | None = None

    def __contains__(self, window: Ventana) -> bool:
        return window in self._known

    def opened_by(self, transaction: Transaction) -> None:
        """Note who has just opened one: its commit is still to come, and may not."""
        self._opening = transaction

    def found_open(self, window: Ventana, transaction: Transaction) -> None:
        """Remember one that another transaction has opened, which is committed if it is seen; not one's own."""
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
    """

    topics: Topics
    plazo: Plazo
    page: int
    state_per_order: bool
    peers: str
    _windows: KnownWindows = field(default_factory=KnownWindows)

    def crear(self, transaction: Transaction, batch: Sequence[Orden]) -> Sequence[Outcome]:
        """Record the orders, and emit `orden-creada` for each: for a repeated one the same event again."""
        accepted = store.accept(transaction, batch, mark=self.state_per_order)
        outcomes = [self._creada(orden, accepted.ordenes[orden.id]) for orden in batch]
        timers = self._timers(transaction, accepted) if self.plazo.after_ms else []
        return _along(outcomes, timers)

    def liquidar(self, transaction: Transaction, batch: Sequence[Transaccion]) -> Sequence[Outcome]:
        """Give the orders the outcome of their payment, and emit `orden-actualizada`, also for one final already.

        One that was charged after it had expired is paid back instead.
        """
        ordenes = store.settle(transaction, batch, mark=self.state_per_order)
        return [self._liquidada(transaccion, ordenes.get(transaccion.order_id)) for transaccion in batch]

    def vencer(self, transaction: Transaction, batch: Sequence[Vencimiento]) -> Sequence[Outcome]:
        """Let the orders expire whose time is over, and emit `orden-actualizada` for each.

        A page of orders a timer; what is left has a timer of its own, at once.
        """
        return [self._vencida(transaction, vencimiento) for vencimiento in batch]

    def _creada(self, sent: Orden, accepted: Orden) -> Outcome:
        if sent is not accepted and (why := difference(sent, accepted)):
            return Rejected("conflict", f"order {sent.id} was accepted with other content: {why}")
        return Done((messages.orden_creada(self.topics.orden_creada, accepted),))

    def _timers(self, transaction: Transaction, accepted: store.Accepted) -> list[Event]:
        """Return the timers that the batch has to start; they come at once, and then wait.

        The one of a new order's window, unless a committed transaction opened it: that one's batch is not acknowledged
        before its timer is confirmed. A repeated order may be of a batch that did not come so far: its timer again,
        unless it has arrived meanwhile.
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
                return Done((messages.orden_actualizada(self.topics.orden_actualizada, guardada),))
            case _:
                # It comes before what it needs; or another transaction of this batch came first for the order, or
                # another instance has just recorded it.
                return Retry("early", f"order {order_id} is {guardada.status}, and could not be settled yet")

    def _vencida(self, transaction: Transaction, vencimiento: Vencimiento) -> Outcome:
        window = vencimiento.ventana
        if not self.plazo.after_ms:
            # Never, for now: should that change, somebody has to find this window again.
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
            # Pulsar may deliver a tick early, and a timer must not go round and round for it.
            return Done((self._timer(vencimiento, max(wait_ms, LEAST_WAIT_MS)), *timers))
        if due.unfinished and not vencimiento.after_id:
            return Done((self._timer(vencimiento, UNFINISHED_WAIT_MS),))
        expired = store.expire(transaction, vencimiento, self.page, mark=self.state_per_order)
        events = [
            messages.orden_actualizada(self.topics.orden_actualizada, guardada)
            for guardada in expired.values()
            if guardada.status == EXPIRADA
        ]
        full = len(expired) == self.page
        # After the events: whoever gets it knows that these are confirmed.
        following = Vencimiento(window, max(expired)) if full else Vencimiento(window, done=True)
        return Done((*events, self._timer(following, 0)))


def _along(outcomes: list[Outcome], events: Sequence[Event]) -> list[Outcome]:
    """Return the outcomes, with further events along with the first message that is dealt with."""
    if events:
        place = next((n for n, outcome in enumerate(outcomes) if isinstance(outcome, Done)), None)
        if place is not None:
            outcomes[place] = Done((*outcomes[place].events, *events))  # type: ignore[union-attr]
    return outcomes
