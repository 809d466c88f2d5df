"""Takes messages about orders from the version in which they were published to the newest one.

An upcaster is a pure function from a message of version N to one of version N + 1. Each has a file of its own, named
after its step; it fills in what version N + 1 added, and leaves what is there already. What it is given stays as it is,
and `schema_version` still says in which version the message was published.
"""

from collections.abc import Callable

from schemas.tienda.upcasters import v0_to_v1, v1_to_v2
from schemas.tienda.upcasters.orders import M

STEPS = (v0_to_v1.upcast, v1_to_v2.upcast)
"""The step at place N goes from version N to version N + 1."""
NEWEST = len(STEPS)
"""The newest version of the messages about orders."""


def newest(message: M, published_ms: Callable[[], int]) -> M:
    """Return the message as one of the newest version.

    A message of a version that is newer still is returned as it is. A sender may leave out what version 1 added, such
    as a command's total, whatever version it names. A message that lacks something of it is read as version 0; one that
    lacks nothing is read as version 1 at least.

    Parameters
    ----------
    message
        As it was decoded.
    published_ms
        Returns when it was published, in Unix milliseconds. It is called if a step is taken.
    """
    version = 0 if v0_to_v1.lacks_something(message) else max(1, message.schema_version)
    if version < NEWEST:
        published = published_ms()
        for step in STEPS[version:]:
            message = step(message, published)
    return message
