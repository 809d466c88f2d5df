"""What lies in each topic of an order."""

from typing import NamedTuple

from google.protobuf.message import Message

from schemas.tienda import topics
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada


class Contract(NamedTuple):
    """The message's type, and its field with the order's id."""

    kind: type[Message]
    id_field: str


CONTRACTS = {
    topics.CREAR_ORDEN: Contract(CrearOrden, "id"),
    topics.ORDEN_CREADA: Contract(OrdenCreada, "id"),
    topics.TRANSACCION_CREADA: Contract(TransaccionProcesada, "order_id"),
    topics.REEMBOLSAR_TRANSACCION: Contract(ReembolsarTransaccion, "order_id"),
    topics.ORDEN_ACTUALIZADA: Contract(OrdenActualizada, "id"),
}
