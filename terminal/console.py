"""Tables and counters on a terminal; elsewhere, whole rows, no counter and no colour."""

from __future__ import annotations

import sys
from typing import Any, Self

from rich.console import Console

PIPE_WIDTH = 100_000
"""Width of a table that goes to a file or a program: wider than any row, so that none is cut or wrapped."""


def make_console(*, stderr: bool = False, **options: Any) -> Console:
    """Return a console, which is a terminal's if the stream is one, whatever FORCE_COLOR says.

    Parameters
    ----------
    stderr
        Whether it writes to standard error, in place of standard output.
    options
        See `rich.console.Console`.
    """
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, force_terminal=stream.isatty(), **options)


def table_console() -> Console:
    """Return a console for tables on standard output: as wide as the terminal, or `PIPE_WIDTH` elsewhere."""
    # Without emoji: rich would show one for a key such as ":key:".
    return make_console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)


class Counting:
    """Shows on standard error a running count of work whose total is unknown; on a terminal only.

    Parameters
    ----------
    what
        What is counted.
    """

    def __init__(self, what: str) -> None:
        console = make_console(stderr=True)
        self._status = console.status("") if console.is_terminal else None
        self._what = what

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, count: int) -> None:
        """Show how many there are by now."""
        if self._status is not None:
            self._status.update(f"{count:,} {self._what}")
