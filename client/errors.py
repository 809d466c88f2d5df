"""What can keep a command from doing its work; each class says what its reader should do."""


class ClientError(Exception):
    """A reason to stop, told in one line.

    Attributes
    ----------
    exit_code : int
        What the command exits with.
    """

    exit_code = 1


class UnreachableError(ClientError):
    """Nothing answers at an address: start the stack, or name the right address."""

    exit_code = 2


class NotDeployedError(ClientError):
    """Pulsar answers, but Alpes is not (wholly) there: deploy it."""

    exit_code = 2


class UnknownOrderError(ClientError):
    """What was asked has no such order: check the id, or ask again when it may have come."""


class AmbiguousOrderError(ClientError):
    """Several orders begin with what was given of an id: give more of it."""


class StateUnavailableError(ClientError):
    """The state store can't be asked right now: try again, and look at the broker's log if it stays so."""


class ReportRefusedError(ClientError):
    """Reporting answered that it won't make this report: ask for what it offers."""


class NoAnswerError(ClientError):
    """Nobody answered in time: see whether the function runs."""
