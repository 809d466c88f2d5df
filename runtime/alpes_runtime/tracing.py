"""Continues a W3C trace without keeping any state: the same input gives the same ids, however often it is handled.

Format and validity: https://www.w3.org/TR/trace-context/#traceparent-header
"""

import hashlib
import re

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def valid_traceparent(text: str) -> str:
    """Return a valid ``traceparent``, empty where it isn't one: a broken trace is no broken message."""
    return text if text and _TRACEPARENT.fullmatch(text) else ""


def child_traceparent(parent: str, trace_key: str, span_key: str) -> str:
    """Return the ``traceparent`` of an event.

    Parameters
    ----------
    parent
        ``traceparent`` of what caused it, as `valid_traceparent` gives it: looked at once, where it comes in.
    trace_key
        What the trace is derived from where there is no parent, such as an order id.
    span_key
        What the span is derived from, such as the event's id.
    """
    trace = parent[3:35] if parent else hashlib.blake2b(trace_key.encode(), digest_size=16).hexdigest()
    return f"00-{trace}-{hashlib.blake2b(span_key.encode(), digest_size=8).hexdigest()}-01"
