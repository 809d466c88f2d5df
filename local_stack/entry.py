"""How `python -m local_stack`, `deployment` and `bench` begin and end: their outputs, and who interrupts them.

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
    """Standard output can't be written: make room, or lead it elsewhere."""

    def __init__(self, problem: OSError) -> None:
        super().__init__(f"Can't write to standard output: {problem.strerror or problem}.")


class _Output(io.FileIO):
    """Standard output: what can't be written is told once, and the rest is dropped."""

    _gone = False

    def write(self, data: Any) -> int:
        """Write some of the data; return how many bytes."""
        if not self._gone:
            try:
                return super().write(data)
            except BrokenPipeError:
                self._gone = True
                raise
            except OSError as problem:
                self._gone = True
                raise OutputError(problem) from problem
        return memoryview(data).nbytes


class _Error(io.FileIO):
    """Standard error: what it doesn't take is dropped, and the work goes on."""

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
        Its name. An interruption while it is imported is one like any other.
    """
    try:
        # Being asked to end, or losing the terminal, undoes what Ctrl-C undoes; nohup has that ignored.
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.default_int_handler)
        _guard_standard_streams()
        code = _main(module)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough, as `head` has.
        code = 0
    except OutputError as problem:
        print(problem, file=sys.stderr)
        code = problem.exit_code
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.exit(code)


def _main(module: str) -> Any:
    try:
        return importlib.import_module(module).main()
    except SystemExit as ended:
        # Help and wrong usage end so.
        return ended.code


def _guard_standard_streams() -> None:
    # Where one is closed, its number would be the next file's, or the next connection's.
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - for as long as the program runs
    else:
        sys.stderr = _text(_Error(sys.stderr.fileno(), "w", closefd=False), sys.stderr)
    if sys.stdout is None:
        raise OutputError(OSError(errno.EBADF, "it is closed"))
    sys.stdout = _text(_Output(sys.stdout.fileno(), "w", closefd=False), sys.stdout)


def _text(raw: io.FileIO, like: TextIO) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=like.encoding, errors=like.errors, line_buffering=bool(like.line_buffering)
    )
