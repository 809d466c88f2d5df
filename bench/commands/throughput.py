"""`python -m bench throughput`: measures orders a second, from the command to the report row, at full speed."""

import click

from bench import reconcile
from bench.commands import session
from bench.ratios import ratio
from bench.results import Run
from bench.run import Plan

SUMMARY = "measure orders a second end to end, CPU per order by process, and messages per commit"
ORDERS, QUICK_ORDERS = 100_000, 5_000
REPEATS = 3


OPTIONS = (
    click.Option(["--orders"], type=session.positive, metavar="N", help=f"Orders of each run ({ORDERS:,})."),
    click.Option(["--repeats"], type=session.positive, metavar="N", help=f"How many runs ({REPEATS})."),
    click.Option(
        ["--rows"],
        type=session.positive,
        metavar="N",
        help="Then fill the tables with so many orders that ended long ago, run again, and compare.",
    ),
)


def run(options: session.Options) -> None:
    """Measure, and check that no order was lost."""
    if options.rows:
        session.require_own(options, "--rows")
    orders = options.orders or (QUICK_ORDERS if options.quick else ORDERS)
    repeats = options.repeats or (1 if options.quick else REPEATS)
    with session.opened(options) as work:
        work.warm_up()
        before = _repeat(work, "empty tables" if options.rows else "throughput", orders, repeats)
        if options.rows:
            work.fill(options.rows)
            after = _repeat(work, f"{options.rows:,} rows", orders, repeats)
            rates = [[run.per_second for run in runs] for runs in (after, before)]
            work.ratios["filled/empty"] = ratio(*rates)._asdict()
        work.figures["reconcile"] = reconcile.require_clean(work.system)


def _repeat(work: session.Session, name: str, orders: int, repeats: int) -> list[Run]:
    linger_ms = work.options.linger_ms
    return [
        work.measure(Plan(f"{name} {n + 1}", work.workload(orders), linger_ms=linger_ms, with_tables=True))
        for n in range(repeats)
    ]
