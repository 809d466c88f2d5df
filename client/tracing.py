"""The trace of what the client sends, where Pulsar's own tracing and other tools look for it: in a property."""

from alpes_wire.names import TRACEPARENT
from alpes_wire.tracing import child_traceparent, valid_traceparent


def traced(traceparent: str, key: str, topic: str) -> dict[str, str]:
    """Return the properties of a message.

    Parameters
    ----------
    traceparent
        The message's own field. If it is empty or no trace context, the trace is the one that the functions derive from
        the key, so that all that follows is in it.
    key
        The message's key, such as an order's id.
    topic
        Where the message is sent.
    """
    return {TRACEPARENT: valid_traceparent(traceparent) or child_traceparent("", key, f"{topic}:{key}")}
