"""The messages about orders, which have versions 0, 1 and 2."""

from typing import TypeVar

from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada

M = TypeVar("M", bound=CrearOrden | OrdenCreada | OrdenActualizada)


def copy_of(message: M) -> M:
    """Return a copy, for an upcaster to change."""
    copy = type(message)()
    copy.MergeFrom(message)  # type: ignore[arg-type] -- of its own type
    return copy
