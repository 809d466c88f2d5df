"""What the services agree on about an order: its id and its statuses. Pure: the standard library alone."""

import re

ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""Pattern of a whole order id or report id: match it with `fullmatch`."""

CREADA, APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA = "creada", "aprobada", "rechazada", "expirada", "reembolsada"
FINAL_STATUSES = (APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA)
"""Statuses that `orden-actualizada` can carry."""
STATUSES = (CREADA, *FINAL_STATUSES)
"""Every status of an order."""
TRANSACTION_STATUSES = (APROBADA, RECHAZADA, REEMBOLSADA)
"""Statuses that `transaccion-creada` can carry."""
