"""What every command of `./deploy.sh` shares: an error is one line and one exit code, and so is a lost output."""

import argparse
import sys
from collections.abc import Callable
from typing import NoReturn

from connection.errors import PulsarError
from terminal import progress
from terminal.advice import DEPLOYMENT, explained
from terminal.errors import FAILED, INTERRUPTED, WRONG_USAGE, CommandError


class Parser(argparse.ArgumentParser):
    """Tells wrong usage in one line, and names the script that people call."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and exit."""
        progress.fail(f"{self.prog}: {message}. See ./deploy.sh --help")
        sys.exit(WRONG_USAGE)


def run(command: Callable[[], int], interrupted: str) -> int:
    """Run a command; returns its exit code.

    Parameters
    ----------
    command
        What to run. Its output is written when this returns, or it is told why not.
    interrupted
        What is said when Ctrl-C ends it, empty for nothing.
    """
    try:
        code = command()
        sys.stdout.flush()
    except CommandError as error:
        progress.fail(str(error))
        return error.exit_code
    except PulsarError as error:
        told = explained(error, DEPLOYMENT)
        progress.fail(str(told))
        return told.exit_code
    except BrokenPipeError:
        # The reader has seen enough, as `head` has.
        return 0
    except OSError as error:
        what = f"Can't read or write {error.filename}: " if error.filename else ""
        progress.fail(" ".join(f"{what}{error.strerror or error}".split()).removesuffix(".") + ".")
        return FAILED
    except KeyboardInterrupt:
        if interrupted:
            progress.fail(interrupted)
        return INTERRUPTED
    else:
        return code
