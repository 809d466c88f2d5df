"""The benchmark's command line: `python -m bench COMMAND`."""

import argparse
from collections.abc import Mapping, Sequence
from types import ModuleType

from alpes_runtime import AlpesError
from bench.commands import compare, gate, latency, scaling, session, skew, soak, throughput
from bench.errors import BenchError
from terminal import command_line
from terminal.errors import FAILED, CommandError

MEASURING: Mapping[str, ModuleType] = {
    "throughput": throughput,
    "latency": latency,
    "scaling": scaling,
    "soak": soak,
    "compare": compare,
    "skew": skew,
}
OTHERS: Mapping[str, ModuleType] = {"gate": gate}
EPILOG = """\
Each measuring command starts a stack of its own and removes it; results go to build/bench as JSON.
docs/benchmarks.md says how each figure is made.

examples:
  python -m bench throughput                       100,000 orders as fast as they are accepted, three times
  python -m bench latency --rates 1000 --seconds 120
  python -m bench compare --quick                  the form for CI
  python -m bench soak --rows 5000000              with five million orders in the tables already
"""


def parser() -> argparse.ArgumentParser:
    """Return the whole command line."""
    top = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the system, end to end and against itself without one of its parts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, module in {**MEASURING, **OTHERS}.items():
        command = commands.add_parser(name, help=module.SUMMARY, description=module.SUMMARY.capitalize() + ".")
        module.configure(command)
        if name in MEASURING:
            session.add_options(command)
        command.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = parser().parse_args(argv)
    return command_line.run(lambda: _run(options), "Interrupted: what this run had started was removed.")


def _run(options: argparse.Namespace) -> int:
    try:
        options.run(options)
    except (CommandError, AlpesError) as error:
        told = BenchError(str(error))
        told.exit_code = getattr(error, "exit_code", FAILED)
        raise told from error
    return 0
