"""What can keep the client from doing its work; each class says what its reader should do."""

from terminal.errors import CommandError


class ReportRefusedError(CommandError):
    """Reporting answered that it won't make this report: ask for what it offers."""
