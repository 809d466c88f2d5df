"""Checks that the stack can write to a folder."""

import tempfile
from pathlib import Path

from local_stack.errors import LocalStackError

OTHER_HOME = "choose another folder with ALPES_HOME"
OTHER_CACHE = "choose another folder with ALPES_CACHE"
OTHER_CHECKOUT = "let this user write to the checkout, or run a copy of it that is this user's"
"""What to do about a folder that can't be written to."""


def require_writable(folder: Path, remedy: str) -> None:
    """Require that a folder can be written to, or created.

    Parameters
    ----------
    folder : Path
        The folder; it may not exist yet.
    remedy : str
        What to do otherwise, for the error message.

    Raises
    ------
    LocalStackError
        The folder can't be written to or created.
    """
    which = str(folder)
    try:
        there = next(parent for parent in (folder, *folder.parents) if _is_there(parent))
        if not there.is_dir():
            raise LocalStackError(f"{there} is not a folder: {remedy}.")
        if there != folder:
            which = f"{folder} can't be created, since {there}"
        # Write a file instead of asking for permissions: for root, those say yes everywhere.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise LocalStackError(f"{which} can't be written to by this user ({error.strerror}): {remedy}.") from error


def _is_there(path: Path) -> bool:
    # Path.exists returns False or raises for a folder that can't be entered, depending on the Python version.
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
