"""`python -m bench live`: what an open live page costs the system behind it."""

import click

from bench import page, reconcile
from bench.child import Child
from bench.commands import session
from bench.errors import NotReachableError
from bench.ratios import ratio, rotated
from bench.results import Run
from bench.run import Plan
from local_stack import api as http_api

SUMMARY = "measure orders a second with and without an open live page, in interleaved runs"
ORDERS, QUICK_ORDERS = 60_000, 5_000
ROUNDS, QUICK_ROUNDS = 5, 1
RATE = 5_000
WITHOUT, WITH = "without a page", "with a page"
WATCHED_S = 60.0

OPTIONS = (
    click.Option(["--orders"], type=session.positive, metavar="N", help=f"Orders of each run ({ORDERS:,})."),
    click.Option(["--rounds"], type=session.positive, metavar="N", help=f"Runs of each kind ({ROUNDS})."),
    click.Option(
        ["--rate"],
        type=session.positive,
        metavar="N",
        help=f"Orders a second of the runs at a fixed rate ({RATE:,}); the others go at full speed.",
    ),
    click.Option(
        ["--browser"], is_flag=True, help="Open the page in Chromium on this machine, too; else its events are read."
    ),
)


def run(options: session.Options) -> None:
    """Measure at full speed and at a rate."""
    orders = options.orders or (QUICK_ORDERS if options.quick else ORDERS)
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    fixed = options.rate or RATE
    with session.opened(options) as work:
        if work.system.local is None:
            raise NotReachableError("The live page of the local stack is measured: leave out --use-env.")
        work.warm_up()
        for name, rate in (("full speed", None), (f"{fixed:,}/s", float(fixed))):
            found: dict[str, list[Run]] = {WITHOUT: [], WITH: []}
            for number in range(rounds):
                for kind in rotated((WITHOUT, WITH), number):
                    plan = Plan(f"{name} {kind} {number + 1}", work.workload(orders), rate=rate)
                    found[kind].append(_watched(work, plan) if kind == WITH else work.measure(plan))
            rates = [[each.per_second for each in found[kind]] for kind in (WITH, WITHOUT)]
            work.ratios[f"{name}, with/without a page"] = ratio(*rates)._asdict()
        work.figures["reconcile"] = reconcile.require_clean(work.system)


def _watched(work: session.Session, plan: Plan) -> Run:
    """Do a run while a page is open."""
    settings = work.system.local
    assert settings is not None  # noqa: S101 - required above
    with Child(page.browse if work.options.browser else page.watch, settings.api_url) as child:
        child.ready()
        pids = {"page": child.pid, "api": http_api.pid_file(settings).running() or child.pid}
        done = work.measure(Plan(plan.name, plan.workload, rate=plan.rate, processes=pids))
        child.send("enough")
        seen: page.Watched | None = child.receive(WATCHED_S)
    if seen is not None:
        work.figures[f"{plan.name}: what the page got"] = seen._asdict()
    return done
