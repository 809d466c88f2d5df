"""`python -m bench`: measures this system on the local stack."""

import sys

from terminal.entry import enter

if __name__ == "__main__":
    try:
        enter("bench.cli")
    except ModuleNotFoundError as missing:
        sys.exit(f"bench: the package {missing.name} is missing: ./test.sh tests/unit/bench installs it in .venv")
