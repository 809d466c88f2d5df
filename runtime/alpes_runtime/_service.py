"""What a function builds once per instance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._outcome import AnyHandler
from .database import Database
from .views._view import View


@dataclass(frozen=True)
class Service:
    """What a function does, built once per instance by `BatchFunction.build`.

    Parameters
    ----------
    handlers
        By the local name of the input topic, most urgent first. An input without a handler has its messages
        dead-lettered.
    database
        Where the handlers write.
    schemas
        Pulsar schema by output topic.
    views
        What the instance keeps up to date in the state store.
    """

    handlers: Mapping[str, AnyHandler]
    database: Database
    schemas: Mapping[str, Any]
    views: Sequence[View] = ()
