"""The exit codes of all commands, and the errors that end one; docs/command-line.md has the table."""

FAILED = 1
WRONG_USAGE = 2
NOT_ALL_RUNNING = WOULD_CHANGE = 3
INTERRUPTED = 130
EXIT_CODES = {
    0: "done",
    FAILED: "failed, refused or found something wrong",
    WRONG_USAGE: "wrong usage or no answer",
    NOT_ALL_RUNNING: "a part is not running or makes no progress (status), or there is something to deploy (plan)",
    INTERRUPTED: "interrupted",
}
"""What each means, for the help."""


class CommandError(Exception):
    """An error that ends a command, told in one line.

    Attributes
    ----------
    exit_code : int
        What the command exits with.
    """

    exit_code = FAILED

    def __init__(self, text: str, *, exit_code: int | None = None) -> None:
        super().__init__(text)
        if exit_code is not None:
            self.exit_code = exit_code


class OutputError(CommandError):
    """Something can't be written: make room, or name another place."""

    def __init__(self, place: object, error: OSError) -> None:
        super().__init__(f"Can't write {place}: {error.strerror or error}.")


class NoAnswerError(CommandError):
    """Nobody answered in time: see whether the function runs."""
