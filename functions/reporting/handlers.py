"""What Reporting does with a batch of changed orders, and with reports that are asked for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from functions.alpes_runtime import Done, Outcome, Transaction, now_ms

from . import messages, store
from .domain import Orden, Pedido, Report
from .formats import Format


@dataclass(frozen=True)
class Reporting:
    """The two handlers.

    Parameters
    ----------
    topic
        Where `reporte-generado` goes.
    formats
        Report formats by name.
    now_ms
        Tells Unix milliseconds.
    """

    topic: str
    formats: Mapping[str, Format]
    now_ms: Callable[[], int] = now_ms

    def actualizar(self, transaction: Transaction, batch: Sequence[Orden]) -> Sequence[Outcome]:
        """Bring the read model up to date."""
        store.keep_newest(transaction, batch)
        return [Done()] * len(batch)

    def generar(self, transaction: Transaction, batch: Sequence[Pedido]) -> Sequence[Outcome]:
        """Write the reports."""
        return [self._report(transaction, pedido) for pedido in batch]

    def _report(self, transaction: Transaction, pedido: Pedido) -> Outcome:
        now_ms = self.now_ms()
        chosen = self.formats.get(pedido.format)
        if chosen is None:
            error = f"there is no report format {pedido.format!r}; there are: {', '.join(sorted(self.formats))}"
            return Done((messages.reporte_refused(self.topic, pedido, now_ms, error),))
        content = chosen.render(Report(now_ms, store.every_order(transaction)))
        return Done(tuple(messages.reporte_parts(self.topic, pedido, now_ms, chosen.content_type, content)))
