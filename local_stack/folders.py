"""Whether a folder that the stack needs can be written to."""

import tempfile
from pathlib import Path

from local_stack.errors import LocalStackError

OTHER_HOME = "choose another folder with ALPES_HOME"
OTHER_CACHE = "choose another folder with ALPES_CACHE"
OTHER_CHECKOUT = "let this user write to the checkout, or run a copy of it that is this user's"
"""The remedies."""


def require_writable(folder: Path, remedy: str) -> None:
    """See that a folder can be written to, or made.

    Parameters
    ----------
    folder : Path
        It, or where it will be.
    remedy : str
        What to do otherwise, in words.

    Raises
    ------
    LocalStackError
        It can't.
    """
    which = str(folder)
    try:
        there = next(parent for parent in (folder, *folder.parents) if _is_there(parent))
        if not there.is_dir():
            raise LocalStackError(f"{there} is no folder: {remedy}.")
        if there != folder:
            which = f"{folder} can't be made, since {there}"
        # Tried, not asked: root is told that it may write everywhere.
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise LocalStackError(f"{which} can't be written to by this user ({error.strerror}): {remedy}.") from error


def _is_there(path: Path) -> bool:
    # Not Path.exists, which some Pythons answer with False where a folder above is closed, and others with an error.
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
