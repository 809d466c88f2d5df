"""Checks folders and ports before any package is installed: `python -m local_stack.precheck FOLDER…`.

The arguments are further folders that the caller will write to. This module needs only the standard library.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from local_stack import ports
from local_stack.errors import LocalStackError
from local_stack.folders import OTHER_CACHE, OTHER_CHECKOUT, OTHER_HOME, require_writable
from local_stack.settings import Settings, from_environment
from terminal.errors import FAILED


def check(settings: Settings, of_checkout: Sequence[Path] = ()) -> None:
    """Require that folders can be written to and ports are free.

    Parameters
    ----------
    settings : Settings
        The stack.
    of_checkout : sequence of Path
        Folders in the checkout that will be written to.

    Raises
    ------
    LocalStackError
        A folder can't be written to, or a port is taken.
    """
    # The checkout comes first: if it is read-only, the advice to change ALPES_HOME would not help.
    for folder in of_checkout:
        require_writable(folder, OTHER_CHECKOUT)
    require_writable(settings.home, OTHER_HOME)
    if not _has_pulsar(settings):
        require_writable(settings.cache, OTHER_CACHE)
    # With a PID file the stack may be running and use its ports itself, which can't be told without packages.
    if not any(settings.home.glob("*.pid")):
        bound = (settings.home / "pulsar" / "bookkeeper").exists()
        chosen = ports.choose(settings, bound=bound)
        ports.require_free(chosen.ports.all(), ports.advice(bound=bound))


def _has_pulsar(settings: Settings) -> bool:
    try:
        return settings.distribution.is_dir()
    except OSError:
        # The check of the cache reports the cause.
        return False


def main(of_checkout: Sequence[str] = ()) -> int:
    """Check, and return the exit code."""
    try:
        check(from_environment(), [Path(folder).absolute() for folder in of_checkout])
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"Can't read {error.filename}: {error.strerror}.", file=sys.stderr)
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
