"""A temporary SQLite database, so that memory doesn't grow with the number of orders."""

from __future__ import annotations

import sqlite3
from types import TracebackType
from typing import Self

from terminal.errors import CommandError


class ScratchFile:
    """A temporary database, which goes when it is closed or this process ends. Open it with `with`.

    Parameters
    ----------
    tables
        Statements that make its tables.

    Raises
    ------
    CommandError
        At the end of the `with` block, if there was no room for it.
    """

    def __init__(self, tables: str) -> None:
        self._file = sqlite3.connect("")
        self._file.executescript(tables)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if isinstance(error, sqlite3.OperationalError):
            raise CommandError(
                f"The temporary folder can't hold what was read ({error}): make room, or name another folder with "
                "SQLITE_TMPDIR."
            ) from error
