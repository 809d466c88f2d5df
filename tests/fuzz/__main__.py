"""Sends mutated entries to the inputs of functions on a stack of its own, and sees that none stops it.

python -m tests.fuzz --entries 10000
"""

import argparse
import os
import random
import sys
from pathlib import Path

from tests.e2e.tienda import INPUTS
from tests.fuzz.run import fuzz
from tests.stack import bring_up, connect, deploy, own_environment, require_unused, uses_environment

TRACELESS = Path("build/fuzz-without-trace.txt")


def main() -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--entries", type=int, default=10_000, help="how many to send (10000)")
    parser.add_argument(
        "--function", choices=INPUTS, action="append", help="whose inputs; given several times, of several (ordenes)"
    )
    options = parser.parse_args()
    seed = os.environ.get("ALPES_SEED") or str(random.SystemRandom().randrange(1_000_000))
    print(f"ALPES_SEED={seed}", flush=True)
    environment = dict(os.environ)
    if uses_environment():
        found = environment
    else:
        environment = own_environment()
        require_unused(environment)
        found = bring_up(environment)
    tienda = connect(found, environment)
    try:
        fuzzed = fuzz(tienda, options.function or ["ordenes"], options.entries, seed)
    except AssertionError as error:
        print(f"FAILED: {error}")
        return 1
    finally:
        tienda.client.close()
        if not uses_environment():
            deploy("destroy", "--yes", environment=environment)
    TRACELESS.parent.mkdir(exist_ok=True)
    TRACELESS.write_text("\n".join(fuzzed.without_trace) + "\n", encoding="utf-8")
    print(f"{fuzzed} ({TRACELESS})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
