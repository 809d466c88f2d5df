"""What an operator's question can come to; each class says what its reader should do."""

from terminal.errors import CommandError


class UnknownOrderError(CommandError):
    """What was asked has no such order: check the id, or ask again when it may have come."""


class AmbiguousOrderError(CommandError):
    """Several orders begin with what was given of an id: give more of it."""


class StateUnavailableError(CommandError):
    """The state store can't be asked right now: try again, and look at the broker's log if it stays so."""
