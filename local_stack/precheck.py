"""What would stop a start and can be known before any package is installed: `python -m local_stack.precheck FOLDER…`.

The folders are those that the caller will write to in the checkout. It needs the standard library alone.
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
    """See that folders can be written to and ports are free.

    Parameters
    ----------
    settings : Settings
        The stack.
    of_checkout : sequence of Path
        What else will be written to, in the checkout.

    Raises
    ------
    LocalStackError
        One is not.
    """
    # First: where the checkout is only read, another ALPES_HOME alone would not help.
    for folder in of_checkout:
        require_writable(folder, OTHER_CHECKOUT)
    require_writable(settings.home, OTHER_HOME)
    if not _has_pulsar(settings):
        require_writable(settings.cache, OTHER_CACHE)
    # Whether what is noted runs can't be told here: it would hold its own ports.
    if not any(settings.home.glob("*.pid")):
        bound = (settings.home / "pulsar" / "bookkeeper").exists()
        chosen = ports.choose(settings, bound=bound)
        ports.require_free(chosen.ports.all(), ports.advice(bound=bound))


def _has_pulsar(settings: Settings) -> bool:
    try:
        return settings.distribution.is_dir()
    except OSError:
        # Whatever closes it is told by who looks at the cache.
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
