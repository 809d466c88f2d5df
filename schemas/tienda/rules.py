"""Rules of the contracts that their fields can't say; every service follows the same ones."""

import hashlib
import re

ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""An order id, and a report id, matches this from its first to its last character."""
DEFAULT_CURRENCY = "USD"
"""Currency of an order that names none."""
CURRENCY = re.compile(r"[A-Z]{3}")
"""ISO 4217 code."""
MAX_ADDRESS_CHARS = 1000
"""Longest address."""
LAST_TIME_MS = 253_402_300_799_999
"""Latest Unix milliseconds that a message may carry: the end of the year 9999."""

_MIN_DERIVED_CENTS = 100
_DERIVED_RANGE_CENTS = 49_901


def derived_total_cents(order_id: str) -> int:
    """Return the total of an order whose message names none: 1.00 to 500.00, always the same for the same id."""
    digest = hashlib.blake2b(order_id.encode(), digest_size=8, person=b"alpes-total").digest()
    return _MIN_DERIVED_CENTS + int.from_bytes(digest, "big") % _DERIVED_RANGE_CENTS
