"""What every command of `./deploy.sh` exits with; docs/operations.md has the table."""

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
