"""What Reporting does with a batch of changed orders, and with reports that are asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from alpes_runtime import Ask, Done, Event, Outcome, Transaction
from alpes_runtime.clock import now_ms
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import periodo
from schemas.tienda.times import UnknownTime

from . import messages, store
from .domain import Pedido


@dataclass(frozen=True)
class ReportingHandlers:
    """The two handlers.

    Parameters
    ----------
    topic
        Where `reporte-generado` goes.
    now_ms
        Returns the time in Unix milliseconds.
    """

    topic: str
    now_ms: Callable[[], int] = now_ms

    def actualizar(self, transaction: Transaction, batch: Sequence[Cambio]) -> Sequence[Outcome]:
        """Bring the read model up to date."""
        store.keep_newest(transaction, batch)
        return [Done()] * len(batch)

    def generar(self, _transaction: Transaction, batch: Sequence[Pedido]) -> Sequence[Outcome]:
        """Have the reports made beside the events, and refuse those of no period that there is."""
        return [self._asked(pedido) for pedido in batch]

    def generados(self, _transaction: Transaction, batch: Sequence[tuple[Pedido, Any]]) -> Sequence[Outcome]:
        """End each report with its last part; the others are published already."""
        return [Done((answer,)) if isinstance(answer, Event) else answer for _, answer in batch]

    def _asked(self, pedido: Pedido) -> Outcome:
        try:
            periodo(pedido.start, pedido.end, pedido.tz, pedido.by)
        except UnknownTime as error:
            return Done((messages.Parts(self.topic, pedido, self.now_ms(), None).failed(str(error)),))
        return Ask(pedido)
