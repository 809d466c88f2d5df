"""What all measuring commands share: their common options, the system, and where results go."""

import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from bench import machine, results, summary, tables
from bench.errors import UsageError
from bench.results import Result, Run
from bench.run import LINGER_MS, Missing, Plan, measure
from bench.system import HOME, PORT_OFFSET, System, running
from bench.workload import Clients, Ids, Workload
from local_stack.settings import CHECKOUT

OUTPUT = CHECKOUT / "build" / "bench"
WARM_UP_ORDERS = 60_000


Options = SimpleNamespace
"""What a command was asked for: its own name as `command`, and each of its options by name."""


def absolute(text: str | Path) -> Path:
    """Read a folder's name."""
    return Path(text).expanduser().absolute()


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    if not text.replace("_", "").isdigit() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is no whole number of at least 1")
    return int(text)


def numbers(text: str) -> list[int]:
    """Read whole numbers of at least 1 with commas between them."""
    return [positive(part.strip()) for part in text.split(",")]


OPTIONS = (
    click.Option(["--quick"], is_flag=True, help="A small form of it for CI: minutes, and coarse figures."),
    click.Option(
        ["--use-env"],
        is_flag=True,
        help='Measure the running system that PULSAR_SERVICE_URL and so on name (eval "$(./deploy.sh env)").',
    ),
    click.Option(["--home"], type=absolute, default=HOME, metavar="DIR", help="Where the own stack is made."),
    click.Option(["--port-offset"], type=int, default=PORT_OFFSET, metavar="N", help=f"Its ports ({PORT_OFFSET})."),
    click.Option(["--output"], type=absolute, default=OUTPUT, metavar="DIR", help="Where results go (build/bench)."),
    click.Option(["--seed"], type=int, default=1, metavar="N", help="Of what is drawn (1)."),
    click.Option(
        ["--linger-ms"],
        type=int,
        default=LINGER_MS,
        metavar="MS",
        help=f"How long the client waits for more orders before it sends a batch off ({LINGER_MS}, as `alpes send`); "
        "0 sends each order by itself.",
    ),
)
"""What every measuring command has."""


@dataclass
class Session:
    """One command at work on one system.

    Attributes
    ----------
    system
        What is measured.
    options
        What was asked for.
    runs, figures, ratios, missing
        What was found so far; see `Result`.
    """

    system: System
    options: Options
    environment: Mapping[str, Any]
    started_at: str
    runs: list[Run] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    ratios: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: Missing = field(default_factory=Missing)

    def workload(self, orders: int, ids: Ids = "each", clients: Clients = "uniform") -> Workload:
        """Return orders that nobody has sent before."""
        return Workload(f"b{uuid.uuid4().hex[:8]}-", orders, ids, clients, self.options.seed)

    def warm_up(self) -> None:
        """Run some orders that don't count: code is compiled, caches and tables are filled."""
        self.measure(Plan("warm-up", self.workload(WARM_UP_ORDERS)), keep=False)

    def measure(self, plan: Plan, *, keep: bool = True) -> Run:
        """Do a run, and keep what it found."""
        run = measure(self.system, plan, self.missing)
        if keep:
            self.runs.append(run)
        print(summary.line(run), file=sys.stderr, flush=True)
        return run

    def result(self) -> Result:
        """Return all of it."""
        options = {name: value for name, value in vars(self.options).items() if _tellable(value)}
        return Result(
            self.options.command,
            options,
            self.started_at,
            self.environment,
            self.runs,
            self.figures,
            self.ratios,
            list(self.missing),
        )


@contextmanager
def opened(options: Options) -> Iterator[Session]:
    """Give a session on a running system; at its end write what was found, unless something went wrong on the way."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    with running(use_env=options.use_env, home=options.home, port_offset=options.port_offset) as system:
        with tables.opened(system.dsns) as asked:
            environment = machine.environment(system, asked)
        session = Session(system, options, environment, started_at)
        yield session
        finish(session.result(), options.output)


def finish(result: Result, folder: Path) -> None:
    """Write a result's JSON, and print its figures."""
    path = folder / f"{result.command}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    results.write(result, path)
    print(summary.text(result))
    print(f"\nWritten: {path}")


def require_own(options: Options, what: str) -> None:
    """Refuse to do something to a system that isn't ours. Raises `UsageError`."""
    if options.use_env:
        raise UsageError(f"{what} changes the tables, so it needs a stack of its own: leave out --use-env.")


def _tellable(value: object) -> bool:
    return isinstance(value, str | int | float | bool | list | type(None))
