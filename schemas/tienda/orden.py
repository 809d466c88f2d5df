"""What the services agree on about an order: its id, its statuses, its address. Pure: the standard library alone."""

import re
from typing import NamedTuple

ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""Pattern of a whole order id or report id: match it with `fullmatch`."""

CREADA, APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA = "creada", "aprobada", "rechazada", "expirada", "reembolsada"
FINAL_STATUSES = (APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA)
"""Statuses that `orden-actualizada` can carry."""
STATUSES = (CREADA, *FINAL_STATUSES)
"""Every status of an order."""
TRANSACTION_STATUSES = (APROBADA, RECHAZADA, REEMBOLSADA)
"""Statuses that `transaccion-creada` can carry."""


class Direccion(NamedTuple):
    """An address in parts; one that is empty is unknown, or there is none. `pais` is a code of ISO 3166-1."""

    calle: str = ""
    numero: str = ""
    complemento: str = ""
    codigo_postal: str = ""
    ciudad: str = ""
    region: str = ""
    pais: str = ""

    def line(self) -> str:
        """Return the address in one line, empty if all parts are.

        Examples
        --------
        >>> Direccion("Calle 93", "13-24", "", "110221", "Bogotá", "D.C.", "CO").line()
        'Calle 93 13-24, 110221 Bogotá, D.C., CO'
        """
        street, town = f"{self.calle} {self.numero}".strip(), f"{self.codigo_postal} {self.ciudad}".strip()
        return ", ".join(part for part in (street, self.complemento, town, self.region, self.pais) if part)
