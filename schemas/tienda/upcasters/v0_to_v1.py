"""Version 0 to 1: the first clients' fields 1 to 6 get a total, a currency and times in milliseconds."""

import hashlib
from copy import deepcopy

from schemas.tienda.upcasters.orders import M
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada

DEFAULT_CURRENCY = "USD"
"""Currency of an order that names none."""

_MIN_DERIVED_CENTS = 100
_DERIVED_RANGE_CENTS = 49_901


def derived_total_cents(order_id: str) -> int:
    """Return the total of an order whose message names none, 100 to 50,000: always the same for the same id."""
    digest = hashlib.blake2b(order_id.encode(), digest_size=8, person=b"alpes-total").digest()
    return _MIN_DERIVED_CENTS + int.from_bytes(digest, "big") % _DERIVED_RANGE_CENTS


def lacks_something(message: M) -> bool:
    """Return whether a message lacks something that version 1 added."""
    if not (message.HasField("total_cents") and message.currency and message.created_at_ms):
        return True
    return isinstance(message, OrdenActualizada) and (message.version < 1 or not message.updated_at_ms)


def upcast(message: M, published_ms: int) -> M:
    """Return the message with everything that version 1 added.

    A time that the message lacks is that at which it was published: `created_at`, seconds in a float, holds today's
    time to 128 s only.

    Parameters
    ----------
    message
        Of version 0.
    published_ms
        When it was published, in Unix milliseconds.
    """
    if not lacks_something(message):
        return message
    newer = deepcopy(message)
    if not newer.HasField("total_cents"):
        newer.total_cents = derived_total_cents(newer.id)
    newer.currency = newer.currency or DEFAULT_CURRENCY
    newer.created_at_ms = newer.created_at_ms or published_ms
    if isinstance(newer, OrdenActualizada):
        newer.version = max(1, newer.version)
        newer.updated_at_ms = newer.updated_at_ms or published_ms
    return newer
