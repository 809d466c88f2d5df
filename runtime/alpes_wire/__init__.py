"""Takes messages out of Pulsar by its own protocol, entry by entry, so that one that can't be read harms only itself.

The client library decrypts, decompresses, reassembles and unpacks in native code before anybody can look: an entry with
a bug then ends the process, stops the input, or is gone (docs/decisions/0022). Here each entry is taken as the broker
has it, and what can't be read is a message that says why. Sending stays the library's.
"""

from .acknowledging import acknowledge
from .care import Guard
from .consumer import Consumer
from .endpoint import Endpoint, endpoint_of
from .errors import WireError
from .message import Message, MessageId
from .reader import EARLIEST, LATEST, READ_TOGETHER, Reader
from .stall_detector import Silent

__all__ = [
    "EARLIEST",
    "LATEST",
    "READ_TOGETHER",
    "Consumer",
    "Endpoint",
    "Guard",
    "Message",
    "MessageId",
    "Reader",
    "Silent",
    "WireError",
    "acknowledge",
    "endpoint_of",
]
