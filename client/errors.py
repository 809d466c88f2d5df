"""What can keep the client from doing its work; each class says what its reader should do."""

from terminal.errors import WRONG_USAGE, CommandError


class ReportRefusedError(CommandError):
    """Reporting refused to make this report: ask for a format that it offers."""


class OrderFileError(CommandError):
    """A file can't be sent as orders, and nothing was sent: mend what the error names."""

    exit_code = WRONG_USAGE


class JournalError(CommandError):
    """A run can't be continued from a file, and nothing was sent: name another file, or take the options back."""

    exit_code = WRONG_USAGE


class ConfigFileError(CommandError):
    """The file of `alpes` can't be used, and nothing was done: mend what the error names."""

    exit_code = WRONG_USAGE
