"""What a function's instances have logged, from a moment on."""

from pathlib import Path

from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import Tienda
from tests.faults.ordeal import settings_of


class FunctionLog:
    """The lines that a function logs from now on.

    Parameters
    ----------
    stack
        The system.
    function
        Whose.
    """

    def __init__(self, stack: Tienda, function: str) -> None:
        self._folder = settings_of(stack).function_logs / NAMESPACE / function
        self._since = {path: path.stat().st_size for path in self._files()}

    def lines(self, part: str) -> list[str]:
        """Return the lines with ``part`` in them."""
        return [line for path in self._files() for line in self._read(path) if part in line]

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.log"))

    def _read(self, path: Path) -> list[str]:
        with path.open(errors="replace") as file:
            file.seek(self._since.get(path, 0))
            return file.read().splitlines()
