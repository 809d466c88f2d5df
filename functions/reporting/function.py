"""The composition root of Reporting: the only place that knows all its parts."""

from dataclasses import dataclass, field
from typing import ClassVar

from pulsar.schema import ProtobufNativeSchema

from alpes_runtime import BatchFunction, FunctionConfig, Handler, InstanceContext, Service, encoded, require
from alpes_runtime.config import formerly
from alpes_runtime.views import Totals
from schemas.tienda.topics import RETRY_SUFFIX
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado

from . import messages, store
from .formats import formats
from .handlers import ReportingHandlers

MOST_ROWS = 10_000_000
"""A report of so many orders takes some gigabytes."""


@dataclass(frozen=True, kw_only=True)
class ReportingConfig(FunctionConfig):
    """userConfig of Reporting.

    Parameters
    ----------
    totals_per_status
        Keep the running totals per status and currency in the state store.
    report_max_rows
        Most orders of a report, 1 to 10,000,000. An instance holds a whole report in memory, and up to four if as many
        are asked for at once. A million orders take some 160 MB as CSV, 320 MB as JSON.
    """

    retry_suffix: ClassVar[str] = RETRY_SUFFIX

    totals_per_status: bool = field(default=True, metadata=formerly("totales_por_estado"))
    report_max_rows: int = field(default=1_000_000, metadata=formerly("reporte_max_filas"))

    def __post_init__(self) -> None:
        super().__post_init__()
        most = self.report_max_rows
        require(1 <= most <= MOST_ROWS, "report_max_rows", most, f"1 to {MOST_ROWS}")


class Reporting(BatchFunction):
    """Keeps what people want to read, and writes reports."""

    Config: ClassVar[type[FunctionConfig]] = ReportingConfig

    def build(self, config: ReportingConfig, context: InstanceContext) -> Service:
        """Wire the handlers, and the totals behind them."""
        topic = context.output()
        handlers = ReportingHandlers(
            topic, formats(), config.report_max_rows, now_ms=context.clock.now_ms, heartbeat=context.heartbeat
        )
        views = []
        if config.totals_per_status:
            state = context.state(switch="totals_per_status")
            database = context.view_database()
            views.append(Totals(store.totals, database, state, context, obsolete=store.FORMER_TOTALS))
        return Service(
            handlers={
                "orden-actualizada": Handler(messages.decode_orden_actualizada, handlers.actualizar),
                "generar-reporte": Handler(messages.decode_generar_reporte, handlers.generar, batch_max=1),
            },
            database=context.database(),
            schemas={topic: encoded(ProtobufNativeSchema(ReporteGenerado))},
            views=views,
        )
