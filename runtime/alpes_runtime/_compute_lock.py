"""One thread computes at a time, so that the stages of a pipeline don't fight for Python's interpreter lock.

Every call into the Pulsar client releases the interpreter lock for a moment. If another thread wants to compute, each
such call costs a whole switch interval: to receive and acknowledge a message takes 11 to 20 µs, and took 160 to
1,500 µs beside one busy thread (docs/decisions/0011). A stage therefore holds this lock while it computes, and releases
it around calls that wait.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType


class ComputeLock:
    """A lock that a stage holds while it computes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    @contextmanager
    def released(self) -> Iterator[None]:
        """Release the lock while its holder waits for the database, the broker or another external system."""
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
