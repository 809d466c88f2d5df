"""The logs that a local stack's function instances write."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployment.errors import FunctionFailedError
from local_stack.settings import Settings

TAIL_BYTES = 65_536
ERROR_LEVELS = ("[ERROR]", "[CRITICAL]")
# Every Python instance says so at each start.
MEANS_NOTHING = "Failed to load the crypto key reader"


def files(function: str, settings: Settings) -> list[Path]:
    """The logs of a function (``tenant/namespace/name``), one an instance."""
    name = function.rpartition("/")[2]
    return sorted((settings.function_logs / function).glob(f"{name}-*.log"))


def last_error(function: str, settings: Settings) -> str:
    """The last line that tells of an error, of the log that was written last; empty when there is none."""
    logs = sorted(files(function, settings), key=lambda path: path.stat().st_mtime)
    if not logs:
        return ""
    with logs[-1].open("rb") as file:
        file.seek(max(0, logs[-1].stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    told = [line for line in lines if any(level in line for level in ERROR_LEVELS) and MEANS_NOTHING not in line]
    return told[-1].strip() if told else ""


@contextmanager
def explaining(settings: Settings | None) -> Iterator[None]:
    """Add the last error in its log to what is said of a function that failed, where that log is on this machine."""
    try:
        yield
    except FunctionFailedError as error:
        if settings is not None and (line := last_error(error.function, settings)):
            error.args = (f"{error}\n{line}",)
        raise
