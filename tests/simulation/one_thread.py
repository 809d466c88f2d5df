"""Stand-ins for ``threading`` and ``queue`` for a single thread: nothing waits, and nothing is locked.

Actors change only when the scheduler says so, never within an operation of these classes.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, Full
from types import SimpleNamespace
from typing import Any

from alpes_runtime import _context as context
from alpes_runtime import _external_calls as external_calls
from alpes_runtime import _inbox as inbox
from alpes_runtime import _instance as instance
from alpes_runtime import _pipeline as pipeline
from alpes_runtime import _publisher as publisher

__all__ = ["Event", "one_thread"]


class Event:
    """``threading.Event``."""

    __slots__ = ("_flag",)

    def __init__(self) -> None:
        self._flag = False

    def is_set(self) -> bool:
        return self._flag

    def set(self) -> None:
        self._flag = True

    def clear(self) -> None:
        self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        return self._flag


class Lock:
    """``threading.Lock``."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = False

    def acquire(self, *, blocking: bool = True) -> bool:
        if self._held:
            assert not blocking, "this would wait for ever"
            return False
        self._held = True
        return True

    def release(self) -> None:
        self._held = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self._held = False


class Condition:
    """``threading.Condition``."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def wait_for(self, holds: Callable[[], Any], timeout: float | None = None) -> Any:
        return holds()

    def notify_all(self) -> None:
        pass


class Queue:
    """``queue.Queue`` and ``queue.SimpleQueue``."""

    def __init__(self, maxsize: int = 0) -> None:
        self.queue: deque[Any] = deque()
        self.maxsize = maxsize

    def put(self, item: Any, timeout: float = 0) -> None:
        if self.full():
            raise Full
        self.queue.append(item)

    def get(self, timeout: float = 0) -> Any:
        if not self.queue:
            raise Empty
        return self.queue.popleft()

    def empty(self) -> bool:
        return not self.queue

    def full(self) -> bool:
        return 0 < self.maxsize <= len(self.queue)

    def qsize(self) -> int:
        return len(self.queue)


THREADING: Any = SimpleNamespace(Event=Event, Lock=Lock, Condition=Condition)
WITH_THREADS: tuple[Any, ...] = (context, inbox, instance, publisher)
WITH_QUEUES: tuple[Any, ...] = (external_calls, pipeline)
QUEUE: Any = SimpleNamespace(Queue=Queue, SimpleQueue=Queue, Empty=Empty, Full=Full)


@contextmanager
def one_thread() -> Iterator[None]:
    """Make the runtime use these classes within the ``with`` block."""
    try:
        _swap(THREADING, QUEUE)
        yield
    finally:
        _swap(threading, queue)


def _swap(threads: Any, queues: Any) -> None:
    for module in WITH_THREADS:
        module.threading = threads
    for module in WITH_QUEUES:
        module.queue = queues
