"""Locks that let one process at a time do something."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from terminal import progress


@contextmanager
def exclusive(path: Path, who: str) -> Iterator[None]:
    """Hold an exclusive lock on a file. The lock ends with the process.

    Parameters
    ----------
    path : Path
        The file; a missing one is created.
    who : str
        The other holder, for the message about waiting.

    Raises
    ------
    OSError
        The file can't be created.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step(f"Waiting for {who}", "It ended"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
