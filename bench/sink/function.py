"""A function that takes messages in and does nothing with them: what remains is the intake. `bench.intake` runs it."""

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
    """userConfig of the sink.

    Parameters
    ----------
    messages
        After so many it writes down how long they took.
    result
        The file to write to, on this machine.
    """

    messages: int
    result: str


class Nowhere:
    """A database that keeps nothing."""

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """Give a transaction without a database."""
        yield None

    def close(self) -> None:
        """Do nothing."""


class Counted:
    """Counts what comes in, from the end of the first group to the message that is the last.

    Parameters
    ----------
    messages, result
        See `SinkConfig`.
    """

    def __init__(self, messages: int, result: Path) -> None:
        self._messages = messages
        self._result = result
        self._first = self._seen = 0
        self._started = 0.0

    def apply(self, _transaction: Any, batch: Sequence[bytes]) -> Sequence[Outcome]:
        """Count a group."""
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
    """Return a message's bytes, as a decoder would read them."""
    return received.data


class Sink(BatchFunction):
    """Takes messages in."""

    Config: ClassVar[type[FunctionConfig]] = SinkConfig

    def build(self, config: SinkConfig, context: InstanceContext) -> Service:
        """Wire the counter to the only input."""
        (topic,) = context.host.inputs
        counted = Counted(config.messages, Path(config.result))
        return Service({topic.rsplit("/", 1)[-1]: Handler(payload, counted.apply)}, Nowhere(), {})
