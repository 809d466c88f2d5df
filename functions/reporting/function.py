"""The composition root of Reporting: the only place that knows all its parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from pulsar.schema import ProtobufNativeSchema

from alpes_runtime import (
    BatchFunction,
    EarlyPublisher,
    ExternalCall,
    FunctionConfig,
    Handler,
    InstanceContext,
    Service,
    encoded,
    require,
)
from alpes_runtime.config import formerly
from alpes_runtime.views import Totals
from schemas.tienda.topics import RETRY_SUFFIX
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado

from . import folders, messages, store
from .child import Limits
from .handlers import ReportingHandlers
from .reports import Reports

NO_LIMIT = "a report may have any number of orders"


@dataclass(frozen=True, kw_only=True)
class ReportingConfig(FunctionConfig):
    """userConfig of Reporting.

    Parameters
    ----------
    totals_per_status
        Keep the running totals per status and currency in the state store.
    reports_at_once
        Reports that an instance makes at the same time, 1 to 16, each in a process of its own. Others wait in their
        topic.
    report_seconds
        Longest time of a report in seconds, 1 to 86,400. One that takes longer is given up.
    report_memory_mb
        Most memory of a report's process in MB, 64 to 65,536. One that needs more is given up.
    """

    retry_suffix: ClassVar[str] = RETRY_SUFFIX
    retired: ClassVar[Mapping[str, str]] = {"report_max_rows": NO_LIMIT, "reporte_max_filas": NO_LIMIT}

    totals_per_status: bool = field(default=True, metadata=formerly("totales_por_estado"))
    reports_at_once: int = 2
    report_seconds: float = 3600.0
    report_memory_mb: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        at_once, seconds, memory_mb = self.reports_at_once, self.report_seconds, self.report_memory_mb
        require(1 <= at_once <= 16, "reports_at_once", at_once, "1 to 16")
        require(1 <= seconds <= 86_400, "report_seconds", seconds, "1 to 86400 s")
        require(64 <= memory_mb <= 65_536, "report_memory_mb", memory_mb, "64 to 65536 MB")


class Reporting(BatchFunction):
    """Keeps what people want to read, and has reports made."""

    Config: ClassVar[type[FunctionConfig]] = ReportingConfig

    def build(self, config: ReportingConfig, context: InstanceContext) -> Service:
        """Wire the handlers, the reports beside them, and the totals behind them."""
        folders.remove_left_over()
        topic = context.output()
        schemas = {topic: encoded(ProtobufNativeSchema(ReporteGenerado))}
        handlers = ReportingHandlers(topic, context.clock.now_ms)
        reports = Reports(
            topic=topic,
            publisher=EarlyPublisher(context, schemas),
            dsn=config.dsn,
            application=f"alpes {context.host.name} {context.host.instance_id} report",
            limits=Limits(config.report_seconds, config.report_memory_mb),
            now_ms=context.clock.now_ms,
            stopping=context.stopping.is_set,
            logger=context.logger,
        )
        views = []
        if config.totals_per_status:
            state = context.state(switch="totals_per_status")
            database = context.view_database()
            views.append(Totals(store.totals, database, state, context, obsolete=store.FORMER_TOTALS))
        return Service(
            handlers={
                "orden-actualizada": Handler(messages.decode_orden_actualizada, handlers.actualizar),
                "generar-reporte": Handler(
                    messages.decode_generar_reporte,
                    handlers.generar,
                    batch_max=1,
                    external_call=ExternalCall(reports.ask, handlers.generados, config.reports_at_once),
                ),
            },
            database=context.database(),
            schemas=schemas,
            views=views,
        )
