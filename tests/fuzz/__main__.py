"""Sends mutated entries to the inputs of functions on a stack of its own, and checks that none stops a function.

python -m tests.fuzz --entries 10000
"""

import os
import random
import sys
from pathlib import Path

import click

from tests.e2e.tienda import INPUTS
from tests.fuzz.run import fuzz
from tests.stack import bring_up, connect, deploy, own_environment, require_unused, uses_environment

TRACELESS = Path("build/fuzz-without-trace.txt")


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--entries", default=10_000, show_default=True, help="How many to send.")
@click.option(
    "--function", "functions", type=click.Choice(list(INPUTS)), multiple=True, default=["ordenes"], help="Whose inputs."
)
def main(entries: int, functions: tuple[str, ...]) -> None:
    """Send the entries to the inputs of each function, and exit with 1 if one stopped."""
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
        fuzzed = fuzz(tienda, functions, entries, seed)
    except AssertionError as error:
        print(f"FAILED: {error}")
        sys.exit(1)
    finally:
        tienda.client.close()
        if not uses_environment():
            deploy("destroy", "--yes", environment=environment)
    TRACELESS.parent.mkdir(exist_ok=True)
    TRACELESS.write_text("\n".join(fuzzed.without_trace) + "\n", encoding="utf-8")
    print(f"{fuzzed} ({TRACELESS})")


if __name__ == "__main__":
    main()
