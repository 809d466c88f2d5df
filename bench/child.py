"""A worker process of the benchmark's own, so that what it costs is its own and disturbs nobody's interpreter lock."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Self

from bench.errors import BenchError

START_S = 300.0
"""Until a child is ready: it makes its orders first."""
END_S = 20.0
"""Until one that was let go has ended: a service drains first."""


class Child:
    """A process that gets ready, works when it is told to, and stays until it is let go, so that it can be looked at.

    Parameters
    ----------
    work
        Called in the child as ``work(link, *arguments)``. It sends what it has to say over ``link``, once it is ready
        ``None``, and returns its result, which is sent too.
    arguments
        Picklable.
    """

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        # Spawned, not forked: the Pulsar client has threads.
        context = multiprocessing.get_context("spawn")
        self._name = work.__name__
        self.link, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs, work, arguments), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process's number."""
        return int(self._process.pid or 0)

    def ready(self) -> None:
        """Wait until it is ready."""
        self.receive(START_S)

    def tell(self, word: Any) -> None:
        """Say something to it."""
        self.link.send(word)

    def receive(self, seconds: float) -> Any:
        """Return what it says next.

        Raises
        ------
        BenchError
            It failed, ended, or says nothing for so long.
        """
        try:
            if not self.link.poll(seconds):
                raise BenchError(f"The benchmark's own process {self._name} said nothing for {seconds:.0f} s.")
            kind, value = self.link.recv()
        except (EOFError, OSError) as error:
            raise BenchError(f"The benchmark's own process {self._name} ended before its work was done.") from error
        if kind == "error":
            raise BenchError(f"The benchmark's own process {self._name} failed: {value}")
        return value

    def close(self) -> None:
        """Let it go, and end it if it doesn't."""
        self.link.close()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _main(link: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        link.send(("result", work(Link(link), *arguments)))
        # Until the parent has looked at what we cost.
        link.poll(None)
    except (KeyboardInterrupt, BrokenPipeError):
        return
    except Exception as error:  # noqa: BLE001 - told to the parent, which stops
        last = traceback.extract_tb(error.__traceback__)[-1]
        link.send(("error", f"{type(error).__name__}: {error} ({last.name}, line {last.lineno})"))


class Link:
    """The child's end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ready(self) -> None:
        """Say that all is prepared."""
        self._connection.send(("ready", None))

    def wait(self) -> Any:
        """Wait for what the parent says next."""
        return self._connection.recv()
