"""The SerDe that passes a message's bytes on unchanged, and runs before Pulsar opens its consumers."""

import pulsar

from ._pulsar_host import keep_from_subscribing, running_instance


class AsIs(pulsar.SerDe):
    """The SerDe to name for each input.

    Pulsar's runtime constructs an input's SerDe right before it opens that input's consumer. Only at this moment can a
    function prevent it; see `keep_from_subscribing`.
    """

    def __init__(self) -> None:
        instance = running_instance()
        if instance is not None:
            keep_from_subscribing(instance)

    def serialize(self, input: bytes) -> bytes:  # noqa: A002 -- the name is Pulsar's
        """Return the bytes."""
        return input

    def deserialize(self, input_bytes: bytes) -> bytes:
        """Return the bytes."""
        return input_bytes
