"""What can keep the client from doing its work; each class says what its reader should do."""

from terminal.errors import CommandError


class ReportRefusedError(CommandError):
    """Reporting refused to make this report: ask for a format that it offers."""
