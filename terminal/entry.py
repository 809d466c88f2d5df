"""Starts and ends our programs: handles output errors, interruptions and threads that are left.

It needs the standard library alone.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TextIO

from terminal.errors import INTERRUPTED, CommandError, OutputError

STANDARD_OUTPUT = "to standard output"


def enter(module: str, *, name: str = "", outlives_reader: bool = False) -> NoReturn:
    """Run a module's `main`, and end the process with what it returns.

    Parameters
    ----------
    module
        Its name. An interruption during its import is handled like any other.
    name
        What each error begins with, and the line that says that the program was interrupted. If it is empty, errors
        have no prefix, and an interruption prints nothing.
    outlives_reader
        Whether the program goes on when the reader of its output has seen enough, as `head` has. It ends otherwise.
    """
    prefix = f"{name}: " if name else ""
    try:
        # SIGTERM and SIGHUP act like Ctrl-C, except where nohup has them ignored.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _interrupt)
        _guard_standard_streams(outlives_reader=outlives_reader)
        code = _main(module)
        sys.stdout.flush()
    except BrokenPipeError:
        code = 0
    except CommandError as error:
        print(f"{prefix}{error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        if name:
            print(f"{prefix}interrupted", file=sys.stderr)
        code = INTERRUPTED
    _end(code)


def _interrupt(_number: int, frame: Any) -> None:
    """Do what Ctrl-C does at the moment, or its default action if a shell has it ignored."""
    on_ctrl_c = signal.getsignal(signal.SIGINT)
    if not callable(on_ctrl_c):
        on_ctrl_c = signal.default_int_handler
    on_ctrl_c(signal.SIGINT, frame)


def _main(module: str) -> Any:
    try:
        return importlib.import_module(module).main()
    except SystemExit as ended:
        return ended.code


def _end(code: Any) -> NoReturn:
    """End the process at once, since threads of the Pulsar library may still call back into Python.

    Such a call while the interpreter shuts down aborts the process ("terminate called without an active exception").
    """
    if isinstance(code, str):
        sys.exit(code)  # which prints it
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, OutputError):
                stream.flush()
    os._exit(code or 0)


class _Guarded(io.FileIO):
    """Standard output or error. Output raises its first error at most, and drops everything after it."""

    def __init__(self, descriptor: int, *, raises: bool, outlives_reader: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._raises = raises
        self._outlives_reader = outlives_reader
        self._gone = False

    def write(self, data: Any) -> int:
        """Write some of the data; return how many bytes."""
        if not self._gone:
            try:
                return super().write(data)
            except OSError as error:
                self._gone = self._raises or error.errno == errno.EPIPE
                if self._raises and error.errno != errno.EPIPE:
                    raise OutputError(STANDARD_OUTPUT, error) from error
                if self._raises and not self._outlives_reader:
                    raise
        return memoryview(data).nbytes


def _guard_standard_streams(*, outlives_reader: bool) -> None:
    """Make standard output raise `OutputError` if it can't be written, and standard error raise nothing."""
    # The descriptor of a closed stream would go to the next file or connection.
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - open as long as the program runs
    else:
        sys.stderr = _text(_Guarded(sys.stderr.fileno(), raises=False, outlives_reader=True), sys.stderr)
    if sys.stdout is None:
        raise OutputError(STANDARD_OUTPUT, OSError(errno.EBADF, "it is closed"))
    sys.stdout = _text(_Guarded(sys.stdout.fileno(), raises=True, outlives_reader=outlives_reader), sys.stdout)


def _text(raw: io.FileIO, like: TextIO) -> io.TextIOWrapper:
    # Not every encoding has every character of ours.
    errors = "backslashreplace" if like.errors == "strict" else like.errors
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=like.encoding, errors=errors, line_buffering=bool(like.line_buffering)
    )
