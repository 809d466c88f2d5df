"""Version 1 to 2: an event's address gets parts beside the line."""

from copy import deepcopy

from schemas.tienda.upcasters.orders import M
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, Direccion


def parts_of_line(line: str) -> dict[str, str]:
    """Return the parts of an address of which only the line is known: the line is the street.

    Nobody can tell the parts of a line apart for every country, and a wrong part is worse than none.
    """
    return {"calle": line}


def upcast(message: M, _published_ms: int) -> M:
    """Return the message with everything that version 2 added.

    An event is whole, so it gets the parts. A command says what its client knows: it may leave them out at any version.
    """
    if isinstance(message, CrearOrden) or message.HasField("direccion"):
        return message
    newer = deepcopy(message)
    newer.direccion.MergeFrom(Direccion(**parts_of_line(message.address)))
    return newer
