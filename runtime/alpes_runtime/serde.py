"""The SerDe that passes a message's bytes on unchanged, and runs before Pulsar opens its consumers."""

import logging

import pulsar

from ._listening import listen_at_one_address
from ._pulsar_host import prepare, running_instance
from ._watchdog import end_instance
from .errors import Misconfigured


class AsIs(pulsar.SerDe):
    """The SerDe to name for each input.

    Pulsar's runtime constructs an input's SerDe right before it opens that input's consumer. Only at this moment can a
    function decide with which client, and whether; see `prepare`.
    """

    def __init__(self) -> None:
        instance = running_instance()
        if instance is not None:
            listen_at_one_address()
            try:
                prepare(instance)
            except Misconfigured as error:
                end_instance(logging.getLogger())(str(error))

    def serialize(self, input: bytes) -> bytes:  # noqa: A002 -- the name is Pulsar's
        """Return the bytes."""
        return input

    def deserialize(self, input_bytes: bytes) -> bytes:
        """Return the bytes."""
        return input_bytes
