"""Runs a Pulsar Function safely and fast: messages in groups, one transaction each, acknowledged last.

The public API is what this module lists, which is all that most functions need, and the modules without an underscore:
`bootstrap`, `clock`, `config`, `database`, `errors`, `host`, `migrations`, `platform`, `postgres`, `protobuf`,
`runner`, `serde`, `testing`, `tracing` and `views`. Everything else may move. README.md shows a whole function.
"""

from alpes_wire.queries import load_queries

from ._context import InstanceContext
from ._early import EarlyPublisher
from ._function import BatchFunction
from ._message import Event, Received
from ._outcome import Ask, Done, ExternalCall, Handler, Outcome, Rejected, Retry
from ._publisher import encoded
from ._service import Service
from .config import FunctionConfig, require
from .database import Transaction
from .errors import InvalidMessage, refuse_if
from .protobuf import decode

__all__ = [
    "Ask",
    "BatchFunction",
    "Done",
    "EarlyPublisher",
    "Event",
    "ExternalCall",
    "FunctionConfig",
    "Handler",
    "InstanceContext",
    "InvalidMessage",
    "Outcome",
    "Received",
    "Rejected",
    "Retry",
    "Service",
    "Transaction",
    "decode",
    "encoded",
    "load_queries",
    "refuse_if",
    "require",
]
