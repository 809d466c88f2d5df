"""What Ordenes does with a batch of commands, and with a batch of transactions."""

from collections.abc import Sequence
from dataclasses import dataclass

from functions.alpes_runtime import Done, Early, Outcome, Rejected, Transaction

from . import messages, store
from .domain import Orden, Transaccion, contradiction, difference, may_follow


@dataclass(frozen=True)
class Ordenes:
    """The two handlers.

    Parameters
    ----------
    orden_creada_topic, orden_actualizada_topic
        Where the events go.
    estado_por_orden
        Whether changes are marked for the state store.
    """

    orden_creada_topic: str
    orden_actualizada_topic: str
    estado_por_orden: bool

    def crear(self, transaction: Transaction, batch: Sequence[Orden]) -> Sequence[Outcome]:
        """Record the orders, and emit `orden-creada` for each: for a repeated one the same event again."""
        accepted = store.accept(transaction, batch)
        if self.estado_por_orden:
            store.mark(transaction, accepted.new)
        return [self._creada(orden, accepted.ordenes[orden.id]) for orden in batch]

    def liquidar(self, transaction: Transaction, batch: Sequence[Transaccion]) -> Sequence[Outcome]:
        """Give the orders the outcome of their payment, and emit `orden-actualizada`, also for one final already."""
        settled = store.settle(transaction, batch)
        if self.estado_por_orden:
            store.mark(transaction, settled.changed)
        outcomes: list[Outcome] = []
        for transaccion in batch:
            guardada = settled.ordenes.get(transaccion.order_id)
            if guardada is None:
                outcomes.append(Early(f"there is no order {transaccion.order_id} (yet)"))
            elif may_follow(transaccion, guardada):
                # Another transaction of this batch came first for the order, or another instance has just recorded it.
                outcomes.append(Early(f"order {transaccion.order_id} could not be settled yet"))
            elif why := contradiction(transaccion, guardada):
                outcomes.append(Rejected("conflict", f"transaction for order {transaccion.order_id}: {why}"))
            else:
                outcomes.append(Done((messages.orden_actualizada(self.orden_actualizada_topic, guardada),)))
        return outcomes

    def _creada(self, sent: Orden, accepted: Orden) -> Outcome:
        if sent is not accepted and (why := difference(sent, accepted)):
            return Rejected("conflict", f"order {sent.id} was accepted with other content: {why}")
        return Done((messages.orden_creada(self.orden_creada_topic, accepted),))
