"""Why a report isn't made; each class says what its reader should do."""

from alpes_runtime.errors import AlpesError


class ReportRefused(AlpesError):
    """There is no such report: ask for one that there is. The text says which there are, or what to install."""
