"""`python -m bench`: measures this system on the local stack."""

import sys

from terminal.entry import enter

if __name__ == "__main__":
    try:
        enter("bench.cli")
    except ModuleNotFoundError as error:
        sys.exit(f"bench: the package {error.name} is missing: ./test.sh tests/unit/bench installs it in .venv")
