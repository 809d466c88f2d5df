"""The errors of the runtime; each says what whoever meets it should do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._message import Event


class AlpesError(Exception):
    """Base of every error that the runtime raises on purpose."""


class InvalidMessage(AlpesError):
    """The message can never be processed: dead-letter it, acknowledge it and go on.

    Raised by a handler's ``decode``. The text says which field is wrong, and how.
    """


class Unavailable(AlpesError):
    """Something that all messages need is away (PostgreSQL, the broker, the state store): keep the batch and try again.

    Nothing was decided and nothing may be acknowledged.
    """


class Unreachable(Unavailable):
    """Nobody answers there at all: it is down, or was restarted and will be cold."""


class PublishFailed(Unavailable):
    """The broker did not confirm every event of a group: publish the whole group again, acknowledge nothing."""


class Refused(PublishFailed):
    """The broker takes some events of a group not even alone, for their size; all the others are confirmed.

    Keep those and whatever caused them, and go on with the others.

    Parameters
    ----------
    events
        Those, the same objects as were given.
    """

    def __init__(self, events: Sequence["Event"]) -> None:
        largest = max(events, key=lambda event: len(event.payload))
        super().__init__(
            f"{len(events)} events are not taken for their size, not even alone; one of {largest.topic} has"
            f" {len(largest.payload):,} bytes"
        )
        self.events = events


class BadData(AlpesError):
    """The database refuses a value (too long, out of range, a broken constraint): some message of the batch is bad."""


class Misconfigured(AlpesError):
    """The function cannot run as it is configured: end with this one line, so that somebody mends the configuration."""


def refuse_if(problem: str) -> None:
    """Raise `InvalidMessage` where there is a problem to name."""
    if problem:
        raise InvalidMessage(problem)
