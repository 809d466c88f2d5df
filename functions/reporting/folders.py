"""A temporary folder for each report, which goes with it; and what instances that were killed left is removed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

PREFIX = "alpes-report-"


class Folder(NamedTuple):
    """A folder that is in use.

    Attributes
    ----------
    path
        Where it is.
    lock
        A file descriptor that locks it. Whoever inherits it keeps the folder from being removed as left over.
    """

    path: str
    lock: int


@contextmanager
def folder() -> Iterator[Folder]:
    """Make a folder for a `with` block, and remove it with all that is in it.

    Raises
    ------
    OSError
        The folder for temporary files can't be written to.
    """
    path = tempfile.mkdtemp(prefix=PREFIX)
    try:
        lock = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Folder(path, lock)
        finally:
            os.close(lock)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def remove_left_over() -> None:
    """Remove the folders of this user that nobody uses: their instance was killed, and so their report has ended."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.getuid():
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
