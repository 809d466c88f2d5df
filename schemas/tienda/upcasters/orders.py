"""The messages about orders, which have versions 0, 1 and 2."""

from typing import TypeVar

from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada

M = TypeVar("M", bound=CrearOrden | OrdenCreada | OrdenActualizada)
