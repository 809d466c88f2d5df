"""Shows the progress of long work: a spinner with elapsed time on a terminal, plain lines elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from terminal.console import make_console

# How often a plain log shows that the work still goes on.
HEARTBEAT_S = 15.0

console = make_console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def step(doing: str, done: str) -> Iterator[None]:
    """Show `doing` while it goes on, then `done` and how long it took; on an exception only the first."""
    started = time.monotonic()
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(f"{doing} …")
            yield
    else:
        console.print(f"{doing} …")
        with _heartbeat(doing, started):
            yield
    console.print(f"{done} in {time.monotonic() - started:.1f} s.")


@contextmanager
def _heartbeat(doing: str, started: float) -> Iterator[None]:
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_S):
            console.print(f"{doing} … {time.monotonic() - started:.0f} s")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def download(filename: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a download of `total` bytes; yield a function that takes the number of bytes that arrived.

    The function is jgo's `progress_callback`.
    """
    started = time.monotonic()
    megabytes = total / 1e6
    if console.is_terminal:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(f"Downloading {filename}", total=total)
            yield lambda count: progress.advance(task, count)
    else:
        console.print(f"Downloading {filename} ({megabytes:.0f} MB) …")
        arrived = [0]
        shown = [started]

        def advance(count: int) -> None:
            arrived[0] += count
            now = time.monotonic()
            if now - shown[0] >= HEARTBEAT_S:
                shown[0] = now
                console.print(f"Downloading … {arrived[0] / 1e6:.0f} of {megabytes:.0f} MB, {now - started:.0f} s")

        yield advance
    console.print(f"Downloaded {megabytes:.0f} MB in {time.monotonic() - started:.1f} s.")


def say(text: str) -> None:
    """Print a line for the user on stderr: stdout is for what a program reads."""
    console.print(text, markup=False)


def fail(text: str) -> None:
    """Print the line that says why we stop."""
    print(text, file=sys.stderr)
