"""Errors of the operators' subcommands; each class says what its reader should do."""

from terminal.errors import WRONG_USAGE, CommandError


class UnknownOrderError(CommandError):
    """There is no such order where we looked: check the id, or ask again later."""


class NotDeployedError(CommandError):
    """Pulsar answers, but Alpes is missing, in part or as a whole: deploy it."""

    exit_code = WRONG_USAGE


class NoDatabaseError(CommandError):
    """A service's database is not named, does not answer, or is a standby: name the right one."""

    exit_code = WRONG_USAGE


class MistypedError(CommandError):
    """The text names no dead letter, or no entry of a topic: correct it as the error says."""

    exit_code = WRONG_USAGE


class AmbiguousOrderError(CommandError):
    """The ids of several orders begin so: give more of the id."""


class StateUnavailableError(CommandError):
    """The state store doesn't answer now: try again, and read the broker's log if it still doesn't."""
