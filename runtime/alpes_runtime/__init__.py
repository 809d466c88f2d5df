"""Runs a Pulsar Function safely and fast: messages in groups, one transaction each, acknowledged last.

What is listed here is the public surface; everything else may move. docs/write-a-function.md shows how to use it.
"""

from .clock import now_ms
from .config import FunctionConfig, parse_config, require
from .context import InstanceContext
from .database import BadData, Database, Row, Transaction
from .errors import AlpesError, InvalidMessage, Misconfigured, PublishFailed, Unavailable, refuse_if
from .function import BatchFunction
from .message import Event, Received
from .outcome import Ask, Done, ExternalCall, Handler, Outcome, Rejected, Retry
from .protobuf import decode
from .publisher import encoded
from .service import Service
from .sql import load_queries
from .totals import Totals
from .tracing import child_traceparent, valid_traceparent
from .write_behind import Mark, Marks, Versioned, WriteBehind

__all__ = [
    "AlpesError",
    "Ask",
    "BadData",
    "BatchFunction",
    "Database",
    "Done",
    "Event",
    "ExternalCall",
    "FunctionConfig",
    "Handler",
    "InstanceContext",
    "InvalidMessage",
    "Mark",
    "Marks",
    "Misconfigured",
    "Outcome",
    "PublishFailed",
    "Received",
    "Rejected",
    "Retry",
    "Row",
    "Service",
    "Totals",
    "Transaction",
    "Unavailable",
    "Versioned",
    "WriteBehind",
    "child_traceparent",
    "decode",
    "encoded",
    "load_queries",
    "now_ms",
    "parse_config",
    "refuse_if",
    "require",
    "valid_traceparent",
]
