"""What can keep us from speaking to Pulsar, each told in one line. A command line adds what its user can do."""


class PulsarError(Exception):
    """Pulsar can't be spoken to, or refuses."""


class UnreachableError(PulsarError):
    """Nothing answers as Pulsar does."""


class BrokerUnreachableError(UnreachableError):
    """No broker answers at an address, or none does any more."""


class AdminUnreachableError(UnreachableError):
    """No admin API answers at an address."""


class RefusedError(PulsarError):
    """Pulsar's admin API answers with an error.

    Attributes
    ----------
    code : int
        HTTP's.
    reason : str
        Pulsar's, in one line; empty where it gives none.
    """

    def __init__(self, message: str, code: int, reason: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class NotFoundError(PulsarError):
    """Pulsar answers, and has no such topic, namespace or function."""
