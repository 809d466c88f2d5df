"""Errors of the connection to Pulsar, each told in one line. A command line adds what its user can do."""


class PulsarError(Exception):
    """Pulsar can't be reached, or refuses."""


class UnreachableError(PulsarError):
    """Nothing answers as Pulsar does."""


class PartlyReadError(UnreachableError):
    """The broker itself can't read on to a partition's end."""


class BrokerUnreachableError(UnreachableError):
    """No broker answers at an address, or it has stopped answering."""


class AdminUnreachableError(UnreachableError):
    """No admin API answers at an address."""


class RefusedError(PulsarError):
    """Pulsar's admin API answers with an error.

    Attributes
    ----------
    code : int
        The HTTP status.
    reason : str
        What Pulsar gives as the reason, in one line; empty if it gives none.
    """

    def __init__(self, message: str, code: int, reason: str) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class SecurityError(PulsarError):
    """A connection isn't secured as it has to be: a certificate or a token isn't there, or isn't accepted."""


class ForbiddenError(SecurityError):
    """Pulsar knows who we are, and this role may not do that."""


class NotFoundError(PulsarError):
    """Pulsar answers, but has no such topic, namespace or function."""


class NotPublishedError(PulsarError):
    """The broker doesn't have a message: it is away, or too many wait already. Publish it again later."""


class UnconfirmedError(PulsarError):
    """The broker has not confirmed a message, and may have it or not: publish it again."""
