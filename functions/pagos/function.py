"""The composition root of Pagos: the only place that knows all its parts."""

from dataclasses import dataclass
from typing import ClassVar

from pulsar.schema import ProtobufNativeSchema

from functions.alpes_runtime import BatchFunction, FunctionConfig, Handler, Service, Setup, encoded, require
from schemas.tienda.v1.pagos_pb2 import TransaccionProcesada

from . import messages
from .handlers import Pagos as PagosHandlers


@dataclass(frozen=True, kw_only=True)
class PagosConfig(FunctionConfig):
    """userConfig of Pagos.

    Parameters
    ----------
    approval_rate
        Share of orders whose payment is approved, 0 to 1.
    """

    approval_rate: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        require(0 <= self.approval_rate <= 1, "approval_rate", self.approval_rate, "0 to 1")


class Pagos(BatchFunction):
    """Charges orders."""

    Config: ClassVar[type[FunctionConfig]] = PagosConfig

    def build(self, config: PagosConfig, setup: Setup) -> Service:
        """Wire the handler."""
        topic = setup.output()
        handlers = PagosHandlers(topic, config.approval_rate)
        return Service(
            handlers={"orden-creada": Handler(messages.decode_orden_creada, handlers.cobrar)},
            database=setup.database(),
            schemas={topic: encoded(ProtobufNativeSchema(TransaccionProcesada))},
        )
