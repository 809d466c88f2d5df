"""The two ways to publish that these tests compare: the naive one, and the publisher of the runtime."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from alpes_runtime._context import InstanceContext
from alpes_runtime._message import Event
from alpes_runtime._publisher import PulsarPublisher
from alpes_runtime.config import FunctionConfig
from alpes_runtime.errors import PublishFailed
from alpes_runtime.testing import FakeHost
from tests.lanes import PATIENCE


class Naive:
    """One producer, no callbacks, and faith in ``flush()``."""

    def __init__(self, client: Any, topic: str, **options: Any) -> None:
        defaults = {
            "batching_enabled": True,
            "batching_max_messages": 10,
            "batching_max_publish_delay_ms": 2000,
            "max_pending_messages": 10_000,
            "block_if_queue_full": True,
            "send_timeout_millis": 5000,
        }
        self.producer = client.create_producer(topic, **(defaults | options))

    def send(self, payloads: Iterable[bytes], **message: Any) -> None:
        """Hand messages to the client."""
        for payload in payloads:
            self.producer.send_async(payload, None, **message)

    def says_ok(self) -> bool:
        """Flush, and return whether all is well, as far as one is told."""
        try:
            self.producer.flush()
        except Exception:  # noqa: BLE001 - the client has no class for all of its errors
            return False
        return True


class Publishing:
    """The runtime's publisher, and a caller that holds the lock as a stage does."""

    def __init__(self, client: Any, schemas: Mapping[str, Any] | None = None, **keys: Any) -> None:
        self.context = InstanceContext(FakeHost("pruebas", client=client), FunctionConfig(dsn_env="NONE", **keys))
        self.publisher = PulsarPublisher(self.context, schemas or {})

    def publish(self, events: Sequence[Event]) -> None:
        """Publish once."""
        with self.context.lock:
            self.publisher.publish(events)

    def publish_persistently(self, events: Sequence[Event], timeout_s: float = 20.0) -> int:
        """Publish until it succeeds, as the stage does; returns how often it failed before."""
        deadline = time.monotonic() + timeout_s * PATIENCE
        failures = 0
        while True:
            try:
                self.publish(events)
            except PublishFailed:
                failures += 1
                assert time.monotonic() < deadline, f"{failures} attempts to publish failed"
                time.sleep(0.1)
            else:
                return failures


class Counting:
    """A client that counts the producers it makes."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.producers = 0

    def create_producer(self, *arguments: Any, **options: Any) -> Any:
        """Count, and make one."""
        self.producers += 1
        return self._client.create_producer(*arguments, **options)

    def get_topic_partitions(self, topic: str) -> Any:
        """Ask the real client."""
        return self._client.get_topic_partitions(topic)


def numbered(count: int, start: str = "m") -> list[bytes]:
    """Return distinct payloads."""
    return [f"{start}{number}".encode() for number in range(count)]


def events(topic: str, payloads: Iterable[bytes], **more: Any) -> list[Event]:
    """Return an event per payload, keyed by it."""
    return [Event(topic, payload[:20].decode(), payload, **more) for payload in payloads]
