"""Builds what is published about a message that could not be processed: a dead letter, or a later attempt."""

from collections.abc import Mapping

from .message import ATTEMPT, MAX_EVENT_BYTES, SOURCE_MESSAGE_ID, SOURCE_TOPIC, Event, Received

ERROR_TYPE = "error.type"
ERROR_MESSAGE = "error.message"
OMITTED = "payload.omitted"
"""Property of a dead letter whose payload did not fit; the message lies in `SOURCE_TOPIC` under `SOURCE_MESSAGE_ID`."""

MAX_REASON_CHARS = 8_000
"""Longest ``error.message``; the end of a traceback says more than its start, so the start is cut."""
MAX_INHERITED_BYTES = 64_000
"""Most bytes of the message's own properties that a dead letter repeats."""
PROPERTY_OVERHEAD_BYTES = 8
"""Bound on what the protocol adds to each property."""


def dead_letter(received: Received, error_type: str, reason: str) -> Event:
    """Return the dead letter of a message: the same bytes and key, and why.

    It goes to ``<topic>-DLQ`` of the topic that the message first came from, so that an operator can send it again.
    """
    topic = received.source_topic
    properties = _inherited(received)
    properties[SOURCE_TOPIC] = topic
    properties[SOURCE_MESSAGE_ID] = received.source_message_id
    properties[ERROR_TYPE] = error_type
    properties[ERROR_MESSAGE] = _printable(reason[-MAX_REASON_CHARS:])
    properties[ATTEMPT] = str(received.attempt)
    key, payload = received.key, received.data
    if not _fits(key, payload, properties):
        properties[OMITTED] = str(len(payload))
        payload = b""
        key = key[:1000]
    return Event(topic + "-DLQ", key, payload, properties)


def retry(received: Received, retry_topic: str, delay_ms: int) -> Event | None:
    """Return the message's next attempt, delivered after ``delay_ms``; None where it is too big to publish again."""
    properties = _inherited(received)
    properties[SOURCE_TOPIC] = received.source_topic
    properties[SOURCE_MESSAGE_ID] = received.source_message_id
    properties[ATTEMPT] = str(received.attempt + 1)
    if not _fits(received.key, received.data, properties):
        return None
    return Event(retry_topic, received.key, received.data, properties, delay_ms)


def _fits(key: str, payload: bytes, properties: Mapping[str, str]) -> bool:
    size = len(payload) + len(key.encode()) + sum(len(k.encode()) + len(v.encode()) for k, v in properties.items())
    return size <= MAX_EVENT_BYTES


def _inherited(received: Received) -> dict[str, str]:
    properties = dict(received.properties)
    size = sum(len(k.encode()) + len(v.encode()) + PROPERTY_OVERHEAD_BYTES for k, v in properties.items())
    return properties if size <= MAX_INHERITED_BYTES else {}


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
