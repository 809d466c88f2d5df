"""What can keep a benchmark from being measured; each class says what its reader should do."""

from terminal.errors import WRONG_USAGE, CommandError


class BenchError(CommandError):
    """A reason to stop, told in one line."""


class UsageError(BenchError):
    """The command line asks for what can't be: the message says what can."""

    exit_code = WRONG_USAGE


class NotReachableError(BenchError):
    """A part of the system isn't there: start it, or name the right one."""

    exit_code = WRONG_USAGE


class UnfinishedError(BenchError):
    """Orders did not end in time: see the functions' logs; nothing of such a run is a figure."""


class NotCleanError(BenchError):
    """Orders were lost, or the services contradict each other: see what `alpes reconcile` says."""


class SlowerError(BenchError):
    """A ratio fell by more than its noise: find out which change did it."""
