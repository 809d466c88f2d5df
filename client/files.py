"""Writes a file whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from client.errors import ClientError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that whoever reads it sees the old content or the new, never a part.

    Parameters
    ----------
    path
        The file; its folder must exist.
    content
        All of it.

    Raises
    ------
    ClientError
        If it can't be written there.
    """
    temporary: str | None = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            # mkstemp lets nobody else read: give the file the rights any other new file would get.
            os.fchmod(file.fileno(), 0o666 & ~_umask())
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as problem:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise ClientError(f"Can't write {path}: {problem.strerror or problem}.") from problem


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
