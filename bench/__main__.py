"""`python -m bench`: measures this system on the local stack."""

import os
import sys
from pathlib import Path

from terminal.entry import enter

if __name__ == "__main__":
    # This checkout's runtime, also for the programs that the benchmark starts: the environment may be another's.
    runtime = str(Path(__file__).resolve().parent.parent / "runtime")
    sys.path.insert(0, runtime)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [runtime, os.environ.get("PYTHONPATH")]))
    try:
        enter("bench.cli")
    except ModuleNotFoundError as error:
        sys.exit(f"bench: the package {error.name} is missing: ./test.sh tests/unit/bench installs it in .venv")
