"""Continues a W3C trace without state: what a function needs of `alpes_wire.tracing`."""

from alpes_wire.tracing import child_traceparent, valid_traceparent

__all__ = ["child_traceparent", "valid_traceparent"]
