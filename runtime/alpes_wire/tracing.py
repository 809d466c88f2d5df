"""Continues a W3C trace without state: the same input gives the same ids, however often it is processed.

Format and validity: https://www.w3.org/TR/trace-context/#traceparent-header
"""

import hashlib
import re

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def valid_traceparent(text: str) -> str:
    """Return the text if it is a valid ``traceparent``, else an empty one: a message with a broken trace is valid."""
    return text if text and _TRACEPARENT.fullmatch(text) else ""


def child_traceparent(parent: str, trace_key: str, span_key: str) -> str:
    """Return the ``traceparent`` of an event.

    Parameters
    ----------
    parent
        ``traceparent`` of the event's cause. Check it once with `valid_traceparent`, when the message is decoded.
    trace_key
        The trace id is derived from this if there is no parent; an order id, for example.
    span_key
        The span id is derived from this; the event's id, for example.
    """
    trace = parent[3:35] if parent else hashlib.blake2b(trace_key.encode(), digest_size=16).hexdigest()
    return f"00-{trace}-{hashlib.blake2b(span_key.encode(), digest_size=8).hexdigest()}-01"
