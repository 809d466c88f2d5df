"""What the services agree on about an order: its id and its statuses. Pure: the standard library alone."""

import re

ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""An order id, and a report id, matches this from its first to its last character."""

CREADA, APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA = "creada", "aprobada", "rechazada", "expirada", "reembolsada"
FINAL_STATUSES = (APROBADA, RECHAZADA, EXPIRADA, REEMBOLSADA)
"""Statuses that `orden-actualizada` can carry."""
STATUSES = (CREADA, *FINAL_STATUSES)
"""Every status of an order."""
TRANSACTION_STATUSES = (APROBADA, RECHAZADA, REEMBOLSADA)
"""Statuses that `transaccion-creada` can carry."""
