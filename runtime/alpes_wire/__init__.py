"""Receives from Pulsar by its binary protocol, entry by entry, so that an unreadable entry harms no other one.

The client library decrypts, decompresses, reassembles and unpacks in native code. A malformed entry there ends the
process, stops the input, or is lost (docs/decisions/0022). This package takes each entry as the broker stores it. An
entry that can't be read becomes a message that says why. Publishing stays with the client library.
"""

from .acknowledging import acknowledge
from .consumer import Consumer
from .endpoint import Endpoint, authentication_of, endpoint_of, options_of
from .errors import Forbidden, Unauthenticated, WireError
from .link import connect
from .message import Entry, Message, MessageId
from .quarantine import Guard
from .reader import EARLIEST, LATEST, Reader
from .sampling import messages_in, sample
from .stall_detector import Silent

__all__ = [
    "EARLIEST",
    "LATEST",
    "Consumer",
    "Endpoint",
    "Entry",
    "Forbidden",
    "Guard",
    "Message",
    "MessageId",
    "Reader",
    "Silent",
    "Unauthenticated",
    "WireError",
    "acknowledge",
    "authentication_of",
    "connect",
    "endpoint_of",
    "messages_in",
    "options_of",
    "sample",
]
