"""What can keep us from speaking to Pulsar; each class says what its reader should do."""

from terminal.errors import WRONG_USAGE, CommandError


class UnreachableError(CommandError):
    """Nothing answers at an address: start the stack, or name the right address."""

    exit_code = WRONG_USAGE


class NotDeployedError(CommandError):
    """Pulsar answers, but Alpes is not (wholly) there: deploy it."""

    exit_code = WRONG_USAGE
