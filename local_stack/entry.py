"""Starts and ends `python -m local_stack`, `deployment` and `bench`: handles output errors and interruptions.

It needs the standard library alone.
"""

import errno
import importlib
import io
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn, TextIO

from terminal.errors import INTERRUPTED, CommandError


class OutputError(CommandError):
    """Standard output can't be written: make room, or redirect it."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"Can't write to standard output: {error.strerror or error}.")


class _Output(io.FileIO):
    """Standard output that raises the first error and drops everything after it."""

    _gone = False

    def write(self, data: Any) -> int:
        """Write some of the data; return how many bytes."""
        if not self._gone:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._gone = True
                raise
            except OSError as error:
                self._gone = True
                raise OutputError(error) from error
        return memoryview(data).nbytes


class _Error(io.FileIO):
    """Standard error that drops what can't be written, so that the work goes on."""

    def write(self, data: Any) -> int:
        """Write some of the data; return how many bytes."""
        try:
            return super().write(data)
        except OSError:
            return memoryview(data).nbytes


def enter(module: str) -> NoReturn:
    """Run a module's `main`, and exit with what it returns.

    Parameters
    ----------
    module
        Its name. An interruption during its import is handled like any other.
    """
    try:
        # SIGTERM and SIGHUP act like Ctrl-C, except where nohup has them ignored.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        _guard_standard_streams()
        code = _main(module)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` has.
        code = 0
    except OutputError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _main(module: str) -> Any:
    try:
        return importlib.import_module(module).main()
    except SystemExit as ended:
        # Help and wrong usage raise it.
        return ended.code


def _guard_standard_streams() -> None:
    # The next file or connection would get the descriptor of a closed stream.
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as the program runs
    else:
        sys.stderr = _text(_Error(sys.stderr.fileno(), "w", closefd=False), sys.stderr)
    if sys.stdout is None:
        raise OutputError(OSError(errno.EBADF, "it is closed"))
    sys.stdout = _text(_Output(sys.stdout.fileno(), "w", closefd=False), sys.stdout)


def _text(raw: io.FileIO, like: TextIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=like.encoding, errors=like.errors, line_buffering=bool(like.line_buffering)
    )
