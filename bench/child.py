"""Runs work in a child process, so that its CPU is measured alone and it has an interpreter lock of its own."""

import multiprocessing
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, Self

from bench.errors import BenchError

START_S = 300.0
"""Longest wait until a child is ready: it may make its orders first."""
END_S = 20.0
"""Longest wait until a closed child has ended: a service drains first."""


class Child:
    """A child process. It stays alive after its work until `close`, so that its CPU can still be read.

    Parameters
    ----------
    work
        Called in the child as ``work(link, *arguments)``. It calls ``link.ready()`` once it is prepared. The child
        sends what it returns.
    arguments
        Picklable values.
    """

    def __init__(self, work: Callable[..., Any], *arguments: Any) -> None:
        # Spawned, not forked: the Pulsar client's threads don't survive a fork.
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
        """The process's id."""
        return int(self._process.pid or 0)

    def ready(self) -> None:
        """Wait until the child is ready."""
        self.receive(START_S)

    def send(self, word: Any) -> None:
        """Send something to the child."""
        self.link.send(word)

    def receive(self, seconds: float) -> Any:
        """Return what the child sends next.

        Raises
        ------
        BenchError
            The child failed or ended, or sent nothing for so many seconds.
        """
        try:
            if not self.link.poll(seconds):
                raise BenchError(f"The benchmark's own process {self._name} sent nothing for {seconds:.0f} s.")
            kind, value = self.link.recv()
        except (EOFError, OSError) as error:
            raise BenchError(f"The benchmark's own process {self._name} ended before its work was done.") from error
        if kind == "error":
            raise BenchError(f"The benchmark's own process {self._name} failed: {value}")
        return value

    def close(self) -> None:
        """Let the child end, and kill it if it doesn't."""
        self.link.close()
        self._process.join(END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _main(link: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    try:
        link.send(("result", work(Link(link), *arguments)))
        # Stay alive until the parent closes its end: it still reads our CPU.
        link.poll(None)
    except (KeyboardInterrupt, BrokenPipeError):
        return
    except Exception as error:  # noqa: BLE001 - sent to the parent, which raises it
        last = traceback.extract_tb(error.__traceback__)[-1]
        link.send(("error", f"{type(error).__name__}: {error} ({last.name}, line {last.lineno})"))


class Link:
    """The child's end of the pipe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ready(self) -> None:
        """Tell the parent that the child is ready."""
        self._connection.send(("ready", None))

    def wait(self) -> Any:
        """Return what the parent sends next."""
        return self._connection.recv()
