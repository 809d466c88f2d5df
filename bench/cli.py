"""The benchmark's command line: `python -m bench COMMAND`."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import click

from alpes_runtime.errors import AlpesError
from bench.commands import (
    api,
    autoscale,
    compare,
    gate,
    latency,
    live,
    reports,
    scaling,
    session,
    skew,
    soak,
    throughput,
    totals,
)
from bench.errors import BenchError
from terminal.command_line import Group

MEASURING: Mapping[str, ModuleType] = {
    "throughput": throughput,
    "latency": latency,
    "scaling": scaling,
    "soak": soak,
    "compare": compare,
    "skew": skew,
    "api": api,
    "live": live,
    "reports": reports,
    "autoscale": autoscale,
}
OTHERS: Mapping[str, ModuleType] = {"totals": totals, "gate": gate}
HELP = """Measure the system, end to end and against itself without one of its parts.

Each measuring command starts a stack of its own and removes it. Results go to build/bench as JSON.
docs/benchmarks.md says how each figure is made.

\b
Examples:
  python -m bench throughput                       100,000 orders as fast as they are accepted, three times
  python -m bench latency --rates 1000 --seconds 120
  python -m bench compare --quick                  the small form, for CI
  python -m bench soak --rows 5000000              with five million old orders in the tables
"""


def _command(name: str, module: ModuleType) -> click.Command:
    def run(**options: Any) -> None:
        try:
            module.run(session.Options(command=name, **options))
        except AlpesError as error:
            raise BenchError(str(error)) from error

    common = session.OPTIONS if name in MEASURING else ()
    summary = f"{module.SUMMARY[0].upper()}{module.SUMMARY[1:]}."
    return click.Command(name, params=[*module.OPTIONS, *common], callback=run, help=summary, short_help=summary)


commands = Group(
    name="python -m bench",
    interrupted="Interrupted: this run removed what it had started.",
    help=HELP,
    commands=[_command(name, module) for name, module in {**MEASURING, **OTHERS}.items()],
    context_settings={"max_content_width": 120},
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    return commands.run(argv) or 0
