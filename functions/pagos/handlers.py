"""What Pagos does with a batch of recorded orders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from functions.alpes_runtime import Done, Outcome, Rejected, Transaction, now_ms

from . import messages, store
from .domain import Cobro, decide, difference


@dataclass(frozen=True)
class Pagos:
    """The handler.

    Parameters
    ----------
    topic
        Where `transaccion-creada` goes.
    approval_rate
        Share of orders that are approved, 0 to 1.
    now_ms
        Tells Unix milliseconds.
    """

    topic: str
    approval_rate: float
    now_ms: Callable[[], int] = now_ms

    def cobrar(self, transaction: Transaction, batch: Sequence[Cobro]) -> Sequence[Outcome]:
        """Charge the orders, and emit `transaccion-creada` for each: for one charged before, its event again."""
        now_ms = self.now_ms()
        stored = store.record(transaction, [decide(cobro, self.approval_rate, now_ms) for cobro in batch])
        outcomes: list[Outcome] = []
        for cobro in batch:
            transaccion = stored[cobro.order_id]
            if why := difference(cobro, transaccion):
                outcomes.append(Rejected("conflict", f"order {cobro.order_id} was charged with other content: {why}"))
            else:
                outcomes.append(Done((messages.transaccion_creada(self.topic, transaccion),)))
        return outcomes
