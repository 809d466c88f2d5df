"""What keeps a connection to Pulsar from being had or kept."""


class WireError(Exception):
    """The broker can't be reached, refused or broke off: try again later. The text says which, and what it said."""


class Unreadable(Exception):
    """These bytes are not what they should be; says what is wrong with them."""
