"""`python -m bench`: measures this system on the local stack."""

import sys

if __name__ == "__main__":
    try:
        from bench.cli import main
    except ModuleNotFoundError as missing:
        sys.exit(f"bench: the package {missing.name} is missing: ./test.sh tests/unit/bench installs it in .venv")
    sys.exit(main())
