"""A function that takes messages and does nothing with them, so that `bench.intake` measures the intake alone."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from alpes_runtime import BatchFunction, Done, FunctionConfig, Handler, InstanceContext, Outcome, Received, Service


@dataclass(frozen=True, kw_only=True)
class SinkConfig(FunctionConfig):
    """The sink's userConfig.

    Parameters
    ----------
    messages
        After so many messages, the sink writes how long they took.
    result
        The file that it writes, on this machine.
    """

    messages: int
    result: str


class Nowhere:
    """A database that stores nothing."""

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Yield None in place of a transaction."""
        yield None

    def close(self) -> None:
        """Do nothing."""


class Counted:
    """Counts messages, and measures the time from the end of the first group to the last message; see `SinkConfig`."""

    def __init__(self, messages: int, result: Path) -> None:
        self._messages = messages
        self._result = result
        self._first = self._seen = 0
        self._started = 0.0

    def apply(self, _transaction: Any, batch: Sequence[bytes]) -> Sequence[Outcome]:
        """Count a group, and write the result after the last message."""
        now = time.monotonic()
        if not self._seen:
            self._first, self._started = len(batch), now
        before, self._seen = self._seen, self._seen + len(batch)
        if before < self._messages <= self._seen:
            found = {"messages": self._seen - self._first, "seconds": now - self._started}
            beside = self._result.with_suffix(".new")
            beside.write_text(json.dumps(found), encoding="utf-8")
            beside.replace(self._result)
        return [Done()] * len(batch)


def payload(received: Received) -> bytes:
    """Return a message's bytes. This is the sink's decoder."""
    return received.data


class Sink(BatchFunction):
    """Takes messages and counts them."""

    Config: ClassVar[type[FunctionConfig]] = SinkConfig

    def build(self, config: SinkConfig, context: InstanceContext) -> Service:
        """Wire the counter to the only input."""
        (topic,) = context.host.inputs
        counted = Counted(config.messages, Path(config.result))
        return Service({topic.rsplit("/", 1)[-1]: Handler(payload, counted.apply)}, Nowhere(), {})
