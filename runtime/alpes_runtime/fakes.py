"""A message that nobody received, for whoever tries the runtime without Pulsar."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class FakeMessage(NamedTuple):
    """A message as ``pulsar.Message`` shows it."""

    payload: bytes = b""
    key: str = ""
    own_properties: Mapping[str, str] | None = None
    id: Any = "(1,0,0,-1)"
    topic: str = "persistent://alpes/tienda/topic-partition-0"
    published_ms: int = 1_767_225_600_000

    def data(self) -> bytes:
        """The payload."""
        return self.payload

    def partition_key(self) -> str:
        """The message key."""
        return self.key

    def properties(self) -> dict[str, str]:
        """The message's properties."""
        return dict(self.own_properties or {})

    def message_id(self) -> Any:
        """The client's message id."""
        return self.id

    def topic_name(self) -> str:
        """The topic, with its partition."""
        return self.topic

    def publish_timestamp(self) -> int:
        """Unix milliseconds."""
        return self.published_ms
