"""Errors of the connection to Pulsar and of what it brings."""


class AlpesError(Exception):
    """Base of every error that `alpes_wire` and `alpes_runtime` raise on purpose."""


class WireError(AlpesError):
    """The broker can't be reached, refused, or closed the connection: try again later. The text says which, and why."""


class Unauthenticated(WireError):
    """One side doesn't accept who the other says that it is: look at certificates and tokens."""


class Forbidden(WireError):
    """The broker knows who we are, and doesn't allow this."""


class InvalidDsn(AlpesError):
    """The connection string of a database can't be read: correct it. The text says how, and shows nothing of it."""


class Unreadable(AlpesError):
    """The bytes are malformed. The text says what is wrong with them."""
