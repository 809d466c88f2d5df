"""What can prevent a benchmark. Each class says what the user should do."""

from terminal.errors import WRONG_USAGE, CommandError


class BenchError(CommandError):
    """The benchmark can't go on; the message says why in one line."""


class UsageError(BenchError):
    """The command line asks for something impossible: the message says what is possible."""

    exit_code = WRONG_USAGE


class NotReachableError(BenchError):
    """A part of the system can't be reached: start it, or name the right one."""

    exit_code = WRONG_USAGE


class UnfinishedError(BenchError):
    """Orders did not end in time: see the functions' logs. Such a run gives no figures."""


class NotCleanError(BenchError):
    """Orders were lost, or the services contradict each other: run `alpes reconcile` to see which."""


class SlowerError(BenchError):
    """A ratio fell by more than its noise: find out which change did it."""
