"""Errors of the connection to Pulsar and of what it brings."""


class AlpesError(Exception):
    """Base of every error that `alpes_wire` and `alpes_runtime` raise on purpose."""


class WireError(AlpesError):
    """The broker can't be reached, refused, or closed the connection: try again later. The text says which, and why."""


class Unreadable(AlpesError):
    """The bytes are malformed. The text says what is wrong with them."""
