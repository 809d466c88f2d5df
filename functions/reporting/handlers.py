"""What Reporting does with a batch of changed orders, and with reports that are asked for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from alpes_runtime import Done, Outcome, Transaction
from alpes_runtime.clock import now_ms
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import Periodo, periodo
from schemas.tienda.times import UnknownTime

from . import messages, store
from .domain import Pedido
from .formats import Format, Report

ORDERS_PER_SIGN = 1_000
"""Orders of a report per heartbeat, so that the watchdog sees that a thread with a long report doesn't hang."""


@dataclass(frozen=True)
class ReportingHandlers:
    """The two handlers.

    Parameters
    ----------
    topic
        Where `reporte-generado` goes.
    formats
        Report formats by name.
    most
        Most orders of a report. A whole report is in memory until it is published. The command of a report that no
        instance can hold would come again for ever, and end one instance after the other.
    now_ms
        Returns the time in Unix milliseconds.
    heartbeat
        See `InstanceContext.heartbeat`.
    """

    topic: str
    formats: Mapping[str, Format]
    most: int
    now_ms: Callable[[], int] = now_ms
    heartbeat: Callable[[], None] = lambda: None

    def actualizar(self, transaction: Transaction, batch: Sequence[Cambio]) -> Sequence[Outcome]:
        """Bring the read model up to date."""
        store.keep_newest(transaction, batch)
        return [Done()] * len(batch)

    def generar(self, transaction: Transaction, batch: Sequence[Pedido]) -> Sequence[Outcome]:
        """Write the reports."""
        return [self._report(transaction, pedido) for pedido in batch]

    def _report(self, transaction: Transaction, pedido: Pedido) -> Outcome:
        now_ms = self.now_ms()
        try:
            asked = periodo(pedido.start, pedido.end, pedido.tz, pedido.by)
        except UnknownTime as error:
            return Done((messages.reporte_refused(self.topic, pedido, now_ms, str(error)),))
        if refusal := self._refusal(transaction, pedido, asked):
            return Done((messages.reporte_refused(self.topic, pedido, now_ms, refusal),))
        chosen = self.formats[pedido.format]
        content = chosen.render(Report(now_ms, asked, self._lively(store.orders_of(transaction, asked))))
        return Done(tuple(messages.reporte_parts(self.topic, pedido, now_ms, asked, chosen.content_type, content)))

    def _refusal(self, transaction: Transaction, pedido: Pedido, asked: Periodo) -> str:
        """Return why there is no such report and what to do, empty when there is one."""
        if pedido.format not in self.formats:
            return f"there is no report format {pedido.format!r}; there are: {', '.join(sorted(self.formats))}"
        if store.has_more_than(transaction, self.most, asked):
            return (
                f"there are more than {self.most:,} orders, the most that a report may have: ask for a shorter period, "
                "read the table ordenes of Reporting's database, or raise report_max_rows in Reporting's userConfig"
            )
        return ""

    def _lively(self, ordenes: Iterator[Cambio]) -> Iterator[Cambio]:
        for number, orden in enumerate(ordenes):
            if number % ORDERS_PER_SIGN == 0:
                self.heartbeat()
            yield orden
