"""What every command exits with, and the error that ends one in a line; docs/operations.md has the table."""

FAILED = 1
WRONG_USAGE = 2
NOT_ALL_RUNNING = 3
INTERRUPTED = 130


class CommandError(Exception):
    """A reason to stop, told in one line.

    Attributes
    ----------
    exit_code : int
        What the command exits with.
    """

    exit_code = FAILED


class NoAnswerError(CommandError):
    """Nobody answered in time: see whether the function runs."""
