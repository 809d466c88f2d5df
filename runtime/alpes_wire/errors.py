"""Errors of the connection to Pulsar and of what it brings."""


class WireError(Exception):
    """The broker can't be reached, refused, or closed the connection: try again later. The text says which, and why."""


class Unreadable(Exception):
    """The bytes are malformed. The text says what is wrong with them."""
