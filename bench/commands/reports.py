"""`python -m bench reports`: what reports cost, and what they cost the orders beside them."""

from statistics import median

import click

from bench import reports
from bench.commands import session
from bench.hops import END_TO_END
from bench.ratios import ratio
from bench.run import Plan
from schemas.tienda.periodo import periodo

SUMMARY = "measure reports of many orders, many reports at once, and the latency of orders beside a report"
ROWS, QUICK_ROWS = 5_000_000, 50_000
FORMATS = "csv,ndjson,json,xlsx,html,markdown"
ASKED, QUICK_ASKED = 300, 20
RATE, SECONDS, QUICK_SECONDS = 1_000, 60, 10
ROUNDS = 2
WARM_UP_S = 5.0
FEW = periodo("2020-01-01T00:00:00Z", "2020-01-01T00:00:01Z", by="updated")
"""A thousand of the prefilled orders."""


OPTIONS = (
    click.Option(["--rows"], type=session.positive, metavar="N", help=f"Orders of a report ({ROWS:,})."),
    click.Option(
        ["--formats"], default=FORMATS, show_default=True, metavar="NAME,…", help="Formats to measure; empty for none."
    ),
    click.Option(["--asked"], type=session.positive, metavar="N", help=f"Reports asked for at once ({ASKED})."),
    click.Option(["--seconds"], type=session.positive, metavar="S", help=f"Seconds of each latency run ({SECONDS})."),
    click.Option(["--rounds"], type=click.IntRange(0), default=ROUNDS, metavar="N", help="Pairs of latency runs."),
)


def run(options: session.Options) -> None:
    """Measure formats, then many at once, then orders without and with a report under way."""
    session.require_own(options, "filling them")
    rows = options.rows or (QUICK_ROWS if options.quick else ROWS)
    with session.opened(options) as work:
        work.fill(rows, "reporting")
        for name in filter(None, options.formats.split(",")):
            made = reports.one(work.system, name)
            work.figures[f"{name} of {rows:,}"] = made._asdict()
            print(_line(f"{rows:,} orders as {name}", made), flush=True)
        asked = options.asked or (QUICK_ASKED if options.quick else ASKED)
        made = reports.many(work.system, asked, FEW)
        work.figures[f"{asked} at once"] = made._asdict()
        print(_line(f"{asked} reports of 1,000 orders at once", made), flush=True)
        _beside_orders(work, options)


def _line(what: str, made: reports.Made) -> str:
    size = f", {made.size / reports.MEGABYTE:,.1f} MB" if made.size else ""
    return (
        f"{what}: {made.seconds:,.1f} s{size}; memory: instance {made.instance_mb:,.0f} MB, a report's process "
        f"{made.process_mb:,.0f} MB, {made.processes} at once"
    )


def _beside_orders(work: session.Session, options: session.Options) -> None:
    """Measure p99 of orders without and with a report of every order under way, in turn."""
    if not options.rounds:
        return
    seconds = options.seconds or (QUICK_SECONDS if options.quick else SECONDS)
    found: dict[str, list[float]] = {"without": [], "with": []}
    work.warm_up()

    def measured(name: str, number: int) -> None:
        orders = int(RATE * (seconds + WARM_UP_S))
        plan = Plan(
            f"{name} a report {number}", work.workload(orders), rate=float(RATE), live=True, warm_up_s=WARM_UP_S
        )
        found[name].append(work.measure(plan).latencies[END_TO_END].at(99.0) / 1000)
        print(f"{plan.name}: p99 {found[name][-1]:.1f} ms", flush=True)

    for number in range(1, options.rounds + 1):
        reports.idle(work.system)
        measured("without", number)
        with reports.under_way(work.system, "csv"):
            measured("with", number)
    work.ratios["p99 with a report / without"] = ratio(found["with"], found["without"])._asdict()
    print(
        f"orders at {RATE:,}/s, p99: without a report {median(found['without']):.1f} ms, with one under way "
        f"{median(found['with']):.1f} ms",
        flush=True,
    )
