"""What an operator's question can come to; each class says what its reader should do."""

from terminal.errors import WRONG_USAGE, CommandError


class UnknownOrderError(CommandError):
    """What was asked has no such order: check the id, or ask again when it may have come."""


class NotDeployedError(CommandError):
    """Pulsar answers, but Alpes is not (wholly) there: deploy it."""

    exit_code = WRONG_USAGE


class NoDatabaseError(CommandError):
    """A service's database is not named, does not answer, or is a standby: name the right one."""

    exit_code = WRONG_USAGE


class AmbiguousOrderError(CommandError):
    """Several orders begin with what was given of an id: give more of it."""


class StateUnavailableError(CommandError):
    """The state store can't be asked right now: try again, and look at the broker's log if it stays so."""
