"""The errors of the runtime; each class says what the caller should do."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alpes_wire.errors import AlpesError as AlpesError  # noqa: PLC0414 -- the base of both packages' errors

if TYPE_CHECKING:
    from ._message import Event


class InvalidMessage(AlpesError):
    """The message can never be processed: dead-letter it, acknowledge it and go on.

    Raised by a handler's ``decode``. The text says which field is wrong, and how.
    """


class Unavailable(AlpesError):
    """A dependency of all messages is away (PostgreSQL, the broker, the state store): keep the batch and try again.

    Nothing was decided, and nothing may be acknowledged.
    """


class Unreachable(Unavailable):
    """The dependency doesn't answer at all: it is down, or is restarting and will be slow at first."""


class PublishFailed(Unavailable):
    """The broker did not confirm every event of a group: publish the whole group again, acknowledge nothing."""


class Refused(PublishFailed):
    """The broker refuses some events of a group for their size, even each alone; all others are confirmed.

    Keep the refused events and the messages that caused them, and go on with the others.

    Parameters
    ----------
    events
        The refused events, as the same objects that were to be published.
    """

    def __init__(self, events: Sequence["Event"]) -> None:
        largest = max(events, key=lambda event: len(event.payload))
        super().__init__(
            f"the broker refuses {len(events)} events for their size, even each alone; one of {largest.topic} has"
            f" {len(largest.payload):,} bytes"
        )
        self.events = events


class BadData(AlpesError):
    """The database refuses a value (too long, out of range, a broken constraint): some message of the batch is bad."""


class Misconfigured(AlpesError):
    """The function can't run with its configuration: end with this one line, so that an operator can correct it."""


def refuse_if(problem: str) -> None:
    """Raise `InvalidMessage` unless ``problem`` is empty."""
    if problem:
        raise InvalidMessage(problem)
