"""The composition root of Ordenes: the only place that knows all its parts."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from pulsar.schema import ProtobufNativeSchema

from alpes_runtime import BatchFunction, FunctionConfig, Handler, InstanceContext, Service, encoded, require
from alpes_runtime.config import formerly
from alpes_runtime.views import WriteBehind
from schemas.tienda.rules import currencies_of, currency_problem
from schemas.tienda.topics import RETRY_SUFFIX
from schemas.tienda.upcasters import NEWEST
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada, OrdenCreada

from . import messages
from .estado import EstadoMarks
from .handlers import OrdenesHandlers, Plazo, Topics

MESSAGES_PER_ORDER = 3
"""An order takes two messages and one put. The third keeps puts from waiting when orders come at the budget's rate."""

MONTH_S = 30 * 24 * 3600


@dataclass(frozen=True, kw_only=True)
class OrdenesConfig(FunctionConfig):
    """userConfig of Ordenes.

    Parameters
    ----------
    orden_actualizada_topic, reembolsar_transaccion_topic
        Full names of the topics for `orden-actualizada` and `reembolsar-transaccion`; the config's ``output`` is the
        one for `orden-creada`.
    expires_after_seconds
        How long an order waits for its payment, up to 30 days; 0 for ever.
    expiry_window_seconds
        Orders accepted within this time share a timer, and expire up to this much later. 1 to 60.
    extra_currencies
        Codes that new orders may have although ISO 4217 doesn't have them, or gives them no minor unit; separated by
        commas.
    schema_version
        The version in which events about orders are written: the newest, or an older one for readers that are still to
        be updated. 1 or 2.
    state_per_order
        Keep each order's latest status in the state store.
    state_puts_per_second
        Most puts to the state store per second and instance, while more orders than that come. 1 to 10,000.
    """

    retry_suffix: ClassVar[str] = RETRY_SUFFIX

    orden_actualizada_topic: str
    reembolsar_transaccion_topic: str
    expires_after_seconds: int = field(default=900, metadata=formerly("expira_segundos"))
    expiry_window_seconds: int = field(default=10, metadata=formerly("vencimiento_cubo_segundos"))
    extra_currencies: str = ""
    schema_version: int = NEWEST
    state_per_order: bool = field(default=True, metadata=formerly("estado_por_orden"))
    state_puts_per_second: int = field(default=300, metadata=formerly("estado_por_segundo"))

    def __post_init__(self) -> None:
        super().__post_init__()
        after, width, puts = self.expires_after_seconds, self.expiry_window_seconds, self.state_puts_per_second
        require(0 <= after <= MONTH_S, "expires_after_seconds", after, f"0 to {MONTH_S}")
        require(1 <= width <= 60, "expiry_window_seconds", width, "1 to 60")
        require(1 <= self.schema_version <= NEWEST, "schema_version", self.schema_version, f"1 to {NEWEST}")
        require(1 <= puts <= 10_000, "state_puts_per_second", puts, "1 to 10000")
        for code in self.currencies():
            require(
                not currency_problem(code), "extra_currencies", self.extra_currencies, "codes of three capital letters"
            )

    def currencies(self) -> frozenset[str]:
        """Return the codes of `extra_currencies`."""
        return currencies_of(self.extra_currencies)


class Ordenes(BatchFunction):
    """Records orders, and what became of them."""

    Config: ClassVar[type[FunctionConfig]] = OrdenesConfig

    def build(self, config: OrdenesConfig, context: InstanceContext) -> Service:
        """Wire the handlers, and the state store behind them."""
        topics = Topics(
            orden_creada=context.output(),
            orden_actualizada=config.orden_actualizada_topic,
            reembolsar_transaccion=config.reembolsar_transaccion_topic,
            reintento=context.retry_topic(),
        )
        handlers = OrdenesHandlers(
            topics=topics,
            plazo=Plazo(after_ms=1000 * config.expires_after_seconds, width_ms=1000 * config.expiry_window_seconds),
            page=config.batch_max,
            state_per_order=config.state_per_order,
            peers=context.peers,
            schema_version=config.schema_version,
        )
        decode_crear_orden = partial(messages.decode_crear_orden, extra_currencies=config.currencies())
        views = []
        if config.state_per_order:
            estado = WriteBehind(
                EstadoMarks(),
                context.view_database(),
                context.state(switch="state_per_order"),
                context,
                busy_from=MESSAGES_PER_ORDER * config.state_puts_per_second,
                per_second=config.state_puts_per_second,
            )
            views.append(estado)
        return Service(
            # Inputs that finish orders come first: a flood of new orders must not starve payments, and an order whose
            # payment waits already must not expire.
            handlers={
                "transaccion-creada": Handler(messages.decode_transaccion, handlers.liquidar),
                "ordenes-reintento": Handler(messages.decode_vencer_ordenes, handlers.vencer, batch_max=1),
                "crear-orden": Handler(decode_crear_orden, handlers.crear),
            },
            database=context.database(),
            schemas={
                topics.orden_creada: encoded(ProtobufNativeSchema(OrdenCreada)),
                topics.orden_actualizada: encoded(ProtobufNativeSchema(OrdenActualizada)),
            },
            views=views,
        )
