"""One process at a time does what must not be done twice at once."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from terminal import progress


@contextmanager
def exclusive(path: Path, who: str) -> Iterator[None]:
    """Hold the lock on a file, which is made; it ends with its process.

    Parameters
    ----------
    path : Path
        The file.
    who : str
        Whom to wait for, in words.

    Raises
    ------
    OSError
        The file can't be made.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step(f"Waiting for {who}", "It ended"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield
