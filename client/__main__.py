"""Entry point of the command `alpes`."""

import os
import signal
import sys
from typing import NoReturn

INTERRUPTED_EXIT_CODE = 130


def main() -> NoReturn:
    """Run the command line, and end the process with its exit code."""
    # A request to end, or the end of the terminal, is one to end in good order, as Ctrl-C is; nohup has that ignored.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    code: str | int | None = None
    try:
        _run()
    except KeyboardInterrupt:
        print("alpes: interrupted", file=sys.stderr)
        code = INTERRUPTED_EXIT_CODE
    except SystemExit as end:
        code = end.code
    _end(code)


def _end(code: str | int | None) -> NoReturn:
    """End the process at once, since threads of the Pulsar library may still call back into Python.

    One that does while the interpreter takes itself down aborts the process ("terminate called without an active
    exception").
    """
    if isinstance(code, str):
        sys.exit(code)  # which prints it
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(code or 0)


def _run() -> None:
    # Imported here: an interruption meanwhile is one like any other.
    import click  # noqa: PLC0415

    from client.cli import alpes  # noqa: PLC0415
    from client.stack import use_local_stack  # noqa: PLC0415
    from terminal.output import OutputError, guard_standard_streams  # noqa: PLC0415

    try:
        guard_standard_streams()
    except OutputError as problem:
        click.echo(f"alpes: {problem}", err=True)
        sys.exit(problem.exit_code)
    use_local_stack(sys.argv[1:])
    alpes(prog_name="alpes")


if __name__ == "__main__":
    main()
