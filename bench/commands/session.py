"""What all measuring commands share: options, the system to measure, and the output of results."""

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

from bench import machine, prefill, results, summary, tables
from bench.errors import UsageError
from bench.results import Result, Run
from bench.run import LINGER_MS, Missing, Plan, measure
from bench.system import HOME, PORT_OFFSET, System, running
from bench.workload import Clients, Ids, Workload
from local_stack.settings import CHECKOUT

OUTPUT = CHECKOUT / "build" / "bench"
WARM_UP_ORDERS = 60_000


Options = SimpleNamespace
"""A command's options by name, and the command's own name as `command`."""


def absolute(text: str | Path) -> Path:
    """Return an option's path as an absolute one."""
    return Path(text).expanduser().absolute()


def positive(text: str | int) -> int:
    """Return an option's whole number of at least 1; click hands over a default as it is."""
    if not str(text).replace("_", "").isdigit() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is not a whole number of at least 1")
    return int(text)


def numbers(text: str) -> list[int]:
    """Return an option's whole numbers of at least 1, which commas separate."""
    return [positive(part.strip()) for part in text.split(",")]


OPTIONS = (
    click.Option(["--quick"], is_flag=True, help="Run a small form for CI: it takes minutes, its figures are coarse."),
    click.Option(
        ["--use-env"],
        is_flag=True,
        help='Measure the running system that PULSAR_SERVICE_URL and so on name (eval "$(./deploy.sh env)").',
    ),
    click.Option(
        ["--home"], type=absolute, default=HOME, metavar="DIR", help="Folder of the benchmark's stack (.alpes-bench)."
    ),
    click.Option(
        ["--port-offset"],
        type=int,
        default=PORT_OFFSET,
        metavar="N",
        help=f"Port offset of that stack ({PORT_OFFSET}).",
    ),
    click.Option(["--output"], type=absolute, default=OUTPUT, metavar="DIR", help="Folder of results (build/bench)."),
    click.Option(["--seed"], type=int, default=1, metavar="N", help="Seed of random choices (1)."),
    click.Option(
        ["--linger-ms"],
        type=int,
        default=LINGER_MS,
        metavar="MS",
        help=f"How long the client waits for more orders before it sends a batch ({LINGER_MS}, as `alpes send`); "
        "0 sends each order by itself.",
    ),
)
"""Options of every measuring command."""


@dataclass
class Session:
    """A command's runs on one system, and their figures.

    Attributes
    ----------
    system
        The system to measure.
    options
        The command's options.
    runs, figures, ratios, missing
        The results so far; see `Result`.
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
        """Return new orders, with ids that no other run has."""
        return Workload(f"b{uuid.uuid4().hex[:8]}-", orders, ids, clients, self.options.seed)

    def warm_up(self) -> None:
        """Run some orders that don't count, so that code is compiled and caches are filled."""
        self.measure(Plan("warm-up", self.workload(WARM_UP_ORDERS)), keep=False)

    def fill(self, rows: int, *services: str) -> None:
        """Add so many orders that ended long ago to these services' tables; to all services' if none is named."""
        dsns = self.system.dsns
        prefill.fill({service: dsns[service] for service in services or dsns}, rows)
        self.system.write_out()

    def measure(self, plan: Plan, *, keep: bool = True) -> Run:
        """Do a run, print a line about it, and keep its figures."""
        run = measure(self.system, plan, self.missing)
        if keep:
            self.runs.append(run)
        print(summary.line(run), file=sys.stderr, flush=True)
        return run

    def result(self) -> Result:
        """Return the command's result."""
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
    """Yield a session on a running system, and write its result at the end, unless an error ended it."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    with running(use_env=options.use_env, home=options.home, port_offset=options.port_offset) as system:
        with tables.opened(system.dsns) as queries:
            environment = machine.environment(system, queries)
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
    """Raise `UsageError` with ``--use-env``: a system that isn't ours must not be changed."""
    if options.use_env:
        raise UsageError(f"{what} changes the tables, so it needs a stack of its own: leave out --use-env.")


def _tellable(value: object) -> bool:
    return isinstance(value, str | int | float | bool | list | type(None))
