"""The composition root of Ordenes: the only place that knows all its parts."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from pulsar.schema import ProtobufNativeSchema

from functions.alpes_runtime import (
    BatchFunction,
    FunctionConfig,
    Handler,
    Service,
    Setup,
    WriteBehind,
    encoded,
    require,
)
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada, OrdenCreada

from . import messages
from .estado import EstadoMarks
from .handlers import Ordenes as OrdenesHandlers

MESSAGES_PER_ORDER = 3
"""An order is two messages and one put; one more, so that orders at just the budget's rate aren't put off."""


@dataclass(frozen=True, kw_only=True)
class OrdenesConfig(FunctionConfig):
    """userConfig of Ordenes.

    Parameters
    ----------
    orden_actualizada_topic
        Full name of the topic for `orden-actualizada`; the config's ``output`` is the one for `orden-creada`.
    estado_por_orden
        Keep each order's latest status in the state store.
    estado_por_segundo
        Puts to the state store a second, per instance, while more orders than that come through. 1 to 10,000.
    """

    orden_actualizada_topic: str
    estado_por_orden: bool = True
    estado_por_segundo: int = 300

    def __post_init__(self) -> None:
        super().__post_init__()
        require(1 <= self.estado_por_segundo <= 10_000, "estado_por_segundo", self.estado_por_segundo, "1 to 10000")


class Ordenes(BatchFunction):
    """Records orders, and what became of them."""

    Config: ClassVar[type[FunctionConfig]] = OrdenesConfig

    def build(self, config: OrdenesConfig, setup: Setup) -> Service:
        """Wire the handlers, and the state store behind them."""
        handlers = OrdenesHandlers(setup.output(), config.orden_actualizada_topic, config.estado_por_orden)
        views = []
        if config.estado_por_orden:
            estado = WriteBehind(
                EstadoMarks(),
                setup.view_database(),
                setup.state(switch="estado_por_orden"),
                busy=partial(setup.busy, MESSAGES_PER_ORDER * config.estado_por_segundo),
                per_second=config.estado_por_segundo,
                clock=setup.clock,
                stopping=setup.stopping,
                logger=setup.logger,
                record=setup.record,
            )
            views.append(estado)
        return Service(
            # What finishes orders goes first: a flood of new ones must not starve payments.
            handlers={
                "transaccion-creada": Handler(messages.decode_transaccion, handlers.liquidar),
                "crear-orden": Handler(messages.decode_crear_orden, handlers.crear),
            },
            database=setup.database(),
            schemas={
                setup.output(): encoded(ProtobufNativeSchema(OrdenCreada)),
                config.orden_actualizada_topic: encoded(ProtobufNativeSchema(OrdenActualizada)),
            },
            views=views,
        )
