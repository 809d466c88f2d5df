"""The process that makes a report: reads a `Request`, and writes frames."""

import os
import sys
import threading
import time
import traceback

import psycopg

from functions.reporting.making.errors import ReportRefused
from functions.reporting.making.frames import Frame, Kind
from functions.reporting.making.making import pieces
from functions.reporting.making.request import Request

GATHERED_BYTES = 1 << 16
"""Content is sent in frames of about this size."""
ALIVE_EVERY_S = 1.0
MOST_CHARS = 2_000
"""Of the reason why there is no report."""


class Output:
    """Writes frames; gathers content."""

    def __init__(self, descriptor: int) -> None:
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._content = bytearray()
        self._told = 0.0

    def content(self, piece: bytes) -> None:
        """Add to the report."""
        self._content += piece
        if len(self._content) >= GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Send what is gathered."""
        content = memoryview(bytes(self._content))
        self._content.clear()
        for start in range(0, len(content), GATHERED_BYTES):
            self.frame(Kind.CONTENT, bytes(content[start : start + GATHERED_BYTES]))

    def frame(self, kind: Kind, data: bytes = b"") -> None:
        """Send a frame."""
        self._told = time.monotonic()
        unsent = memoryview(Frame(kind, data).encoded())
        while unsent:
            unsent = unsent[self._file.write(unsent) or 0 :]

    def ended(self, kind: Kind, why: str) -> None:
        """Say why there is no report."""
        self.frame(kind, why[:MOST_CHARS].encode(errors="replace"))

    def alive(self) -> None:
        """Say that the report goes on, once a second at most."""
        if time.monotonic() - self._told >= ALIVE_EVERY_S:
            self.frame(Kind.ALIVE)


def main() -> None:
    """Make the report that standard input asks for."""
    # What a format or its libraries print isn't part of the report.
    output = Output(os.dup(1))
    os.dup2(2, 1)
    request = Request.decoded(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_function, daemon=True).start()
    try:
        for piece in pieces(request, output.alive, lambda name: output.frame(Kind.CONTENT_TYPE, name.encode())):
            output.content(piece)
        output.flush()
        output.frame(Kind.WHOLE)
    except ReportRefused as error:
        output.ended(Kind.REFUSED, str(error))
    except psycopg.OperationalError as error:
        traceback.print_exc()
        kind = Kind.UNAVAILABLE if _is_away(error) else Kind.FAILED
        output.ended(kind, f"PostgreSQL: {str(error).strip().splitlines()[0]}")
    except MemoryError:
        output.ended(Kind.FAILED, "it needs more memory than report_memory_mb of Reporting's userConfig allows")
    except Exception as error:  # noqa: BLE001 -- any error is the answer's reason
        traceback.print_exc()
        output.ended(Kind.FAILED, f"{type(error).__name__}: {error}")


def _is_away(error: psycopg.OperationalError) -> bool:
    """Return whether the database can't be reached now: no answer, or class 08 or 57P of SQLSTATE."""
    state = error.sqlstate or ""
    return not state or state.startswith(("08", "57P", "53300"))


def _end_with_the_function() -> None:
    """End this process when the one that asked has gone: it holds the other end of standard input."""
    sys.stdin.buffer.read()
    os._exit(1)


if __name__ == "__main__":
    main()
