"""Builds the event for a message that could not be processed: a dead letter, or its next attempt."""

from collections.abc import Mapping

from alpes_wire.names import (
    ATTEMPT,
    DEAD_LETTER_SUFFIX,
    ERROR_FUNCTION,
    ERROR_MESSAGE,
    ERROR_TYPE,
    OMITTED,
    REPLAY_PREFIX,
    SOURCE_MESSAGE_ID,
    SOURCE_TOPIC,
)

from ._message import Event, Received

_OF_A_LETTER = (SOURCE_TOPIC, SOURCE_MESSAGE_ID, ERROR_TYPE, ERROR_FUNCTION, ERROR_MESSAGE, ATTEMPT, OMITTED)

MAX_OMITTED_KEY_CHARS = 1_000
"""Longest key of a dead letter whose payload did not fit."""
MAX_LEAST_KEY_CHARS = 100
MAX_LEAST_REASON_CHARS = 500
"""Longest key and ``error.message`` of a dead letter that the broker refuses even without its payload."""
MAX_REASON_CHARS = 8_000
"""Longest ``error.message``; the end of a traceback says more than its start, so the start is cut."""
MAX_INHERITED_BYTES = 64_000
"""Most bytes of the message's own properties that a dead letter repeats. If there are more, it repeats only the history
of replays."""
PROPERTY_OVERHEAD_BYTES = 8
"""Upper bound of the bytes that the protocol adds to each property."""


def dead_letter(received: Received, error_type: str, reason: str, function: str) -> Event:
    """Return the dead letter of a message: the same payload and key, with the reason in its properties.

    It goes to ``<topic>-DLQ`` of the topic that the message first came from, so that an operator can send it again.
    """
    topic = received.source_topic
    properties = _inherited(received)
    properties[SOURCE_TOPIC] = topic
    properties[SOURCE_MESSAGE_ID] = received.source_message_id
    properties[ERROR_TYPE] = error_type
    properties[ERROR_FUNCTION] = function
    properties[ERROR_MESSAGE] = _printable(reason[-MAX_REASON_CHARS:])
    properties[ATTEMPT] = str(received.attempt)
    letter = Event(topic + DEAD_LETTER_SUFFIX, received.key, received.data, properties)
    has_no_bytes = received.problem and not received.data
    return letter if letter.fits() and not has_no_bytes else _by_reference(letter)


def smaller(event: Event) -> Event | None:
    """Return the next smaller form of a dead letter that the broker refuses.

    The first form leaves out the payload, which stays in the source topic. The second also leaves out the message's own
    properties, and keeps only the end of the reason. None means that there is no smaller form, or no dead letter.
    """
    properties = event.properties or {}
    if ERROR_FUNCTION not in properties:
        return None
    if OMITTED not in properties:
        return _by_reference(event)
    least = {name: properties[name] for name in _OF_A_LETTER if name in properties}
    least[ERROR_MESSAGE] = least[ERROR_MESSAGE][-MAX_LEAST_REASON_CHARS:]
    form = event._replace(key=event.key[:MAX_LEAST_KEY_CHARS], properties=least)
    return form if form != event else None


def _by_reference(letter: Event) -> Event:
    properties = {**(letter.properties or {}), OMITTED: str(len(letter.payload))}
    return letter._replace(payload=b"", key=letter.key[:MAX_OMITTED_KEY_CHARS], properties=properties)


def retry(received: Received, retry_topic: str, delay_ms: int) -> Event | None:
    """Return the message's next attempt, delivered after ``delay_ms``; None if it is too large to publish again."""
    properties = _inherited(received)
    properties[SOURCE_TOPIC] = received.source_topic
    properties[SOURCE_MESSAGE_ID] = received.source_message_id
    properties[ATTEMPT] = str(received.attempt + 1)
    event = Event(retry_topic, received.key, received.data, properties, delay_ms)
    return event if event.fits() else None


def _inherited(received: Received) -> dict[str, str]:
    properties = dict(received.properties)
    if _size(properties) <= MAX_INHERITED_BYTES:
        return properties
    history = {name: value for name, value in properties.items() if name.startswith(REPLAY_PREFIX)}
    return history if _size(history) <= MAX_INHERITED_BYTES else {}


def _size(properties: Mapping[str, str]) -> int:
    return sum(len(k.encode()) + len(v.encode()) + PROPERTY_OVERHEAD_BYTES for k, v in properties.items())


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
