"""Writes results to standard output, files, devices and pipes; an error of writing is told in one line."""

from __future__ import annotations

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import click

from terminal.errors import OutputError

STANDARD_OUTPUT = Path("-")


class OutputFile(click.ParamType[Path]):
    """An option that names where to write; a place that can't be written is refused before the work begins."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path; `-` is standard output."""
        path = Path(value)
        if not str(value):
            self.fail("it names no file", param, ctx)
        if path != STANDARD_OUTPUT:
            try:
                found = _stat(path)
            except OSError as error:
                raise OutputError(path, error) from error
            if found is not None and stat.S_ISDIR(found.st_mode):
                self.fail(f"{path} is a folder", param, ctx)
            _require_writable(path, found)
        return path


def _require_writable(path: Path, found: os.stat_result | None) -> None:
    """Raise `OutputError` if it is clear already that a file can't be written."""
    target = Path(os.path.realpath(path))
    if found is not None and not os.access(path, os.W_OK):
        raise OutputError(path, OSError(errno.EACCES, os.strerror(errno.EACCES)))
    if found is not None and not stat.S_ISREG(found.st_mode):
        return
    if not target.parent.is_dir():
        raise OutputError(path, OSError(errno.ENOENT, f"there is no folder {target.parent}"))
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(path, OSError(errno.EACCES, f"its folder {target.parent} is not writable"))


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Write a file for the length of a `with` block; its readers see the old content or the new one, whole.

    A file is written under a temporary name and renamed at the end; it keeps its mode, and a link is followed. A
    device, a pipe, or standard output by whatever name is written to directly.

    Parameters
    ----------
    path
        Where to; its folder must exist. `-` is standard output.

    Raises
    ------
    OutputError
        If it can't be written there; what was there before is untouched.
    """
    try:
        found = None if path == STANDARD_OUTPUT else _stat(path)
        if path == STANDARD_OUTPUT or _is_standard_output(found):
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif found is None or stat.S_ISREG(found.st_mode):
            with _replaced(Path(os.path.realpath(path)), found) as file:
                yield file
        else:
            with path.open("wb") as file:
                yield file
    except OSError as error:
        raise OutputError(path, error) from error


def _is_standard_output(found: os.stat_result | None) -> bool:
    # Opening standard output by its name would empty a file that the shell writes to.
    try:
        return found is not None and os.path.samestat(found, os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


@contextmanager
def _replaced(target: Path, found: os.stat_result | None) -> Iterator[BinaryIO]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            if found is not None:
                with suppress(PermissionError):
                    os.fchown(handle, found.st_uid, found.st_gid)
            # mkstemp makes a file that only its owner can read.
            os.fchmod(handle, 0o666 & ~_umask() if found is None else stat.S_IMODE(found.st_mode))
            os.fsync(handle)
        temporary.replace(target)
        _sync_folder(target.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Have a folder's names on the disk, if the folder may be read and its file system can do that."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
