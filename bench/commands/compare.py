"""`python -m bench compare`: compares this system with itself without one of its parts, in interleaved runs."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import click

from bench import inserts, intake, plain, totals, transport, variants
from bench.commands import session
from bench.errors import UsageError
from bench.hops import TOPICS
from bench.ratios import ratio, rotated
from bench.results import Run
from bench.run import Plan
from bench.system import System

SUMMARY = "compare the system with itself without one of its parts, and with the limits of transport and tables"
ORDERS, QUICK_ORDERS = 60_000, 20_000
ROUNDS = 3
INTAKE_MESSAGES = {"direct": 400_000, "runtime": 60_000}
QUICK_INTAKE_MESSAGES = {"direct": 40_000, "runtime": 6_000}
LIMIT_S, QUICK_LIMIT_S = 15, 5
WARM_UP_ORDERS = 500
MESSAGE_BYTES = 200
ROWS = 1_000

THIS, PLAIN, RUNTIME, ONE, NO_STATE, NO_TOTALS = "a", "b", "c1", "c2", "d", "t"
VARIANTS = {
    THIS: "this system",
    PLAIN: "the same code in a plain program",
    RUNTIME: "intake: runtime",
    ONE: "batches of one",
    NO_STATE: "without state store",
    NO_TOTALS: "without Reporting's totals",
}
QUICK_VARIANTS = (THIS, PLAIN)
SHARE = {RUNTIME: 0.5, ONE: 0.05}
"""The share of orders that slow variants get, so that their runs don't take much longer."""
Entered = Callable[[System], AbstractContextManager[Mapping[str, int]]]


OPTIONS = (
    click.Option(["--orders"], type=session.positive, metavar="N", help=f"Orders of each run of (a) ({ORDERS:,})."),
    click.Option(["--rounds"], type=session.positive, metavar="N", help=f"Runs of each variant ({ROUNDS})."),
    click.Option(
        ["--only"],
        metavar="a,b,…",
        help=f"Measure (a) and only these variants of {', '.join(VARIANTS)} (all; with --quick a,b).",
    ),
    click.Option(["--without-limits"], is_flag=True, help="Leave out the limits: intake alone, transport and tables."),
)


def run(options: session.Options) -> None:
    """Measure each variant and the limits once a round."""
    chosen = choose(options.only, quick=options.quick)
    orders = options.orders or (QUICK_ORDERS if options.quick else ORDERS)
    rounds = options.rounds or ROUNDS
    found: dict[str, list[Run]] = {name: [] for name in chosen}
    limits: dict[str, list[float]] = {}
    with session.opened(options) as work:
        work.warm_up()
        for number in range(rounds):
            for name in rotated(chosen, number):
                found[name].append(_measure_variant(work, name, number + 1, int(orders * SHARE.get(name, 1))))
            # The quick form measures the limits in the first round alone.
            if not (options.without_limits or (options.quick and number)):
                for name, value in _limits(work):
                    limits.setdefault(name, []).append(value)
        if options.without_limits:
            work.missing.note("Intake alone, transport and tables: left out (--without-limits)")
        rates = {name: [run.per_second for run in runs] for name, runs in found.items()}
        work.ratios.update({name: ratio(*both)._asdict() for name, both in pairs(rates, limits)})
        work.figures.update(figures(found, limits))


def choose(only: str | None, *, quick: bool) -> list[str]:
    """Return the variants to run, in their order. Raise `UsageError` for an unknown one."""
    if only is None:
        return list(QUICK_VARIANTS if quick else VARIANTS)
    wanted = {name.strip() for name in only.split(",")}
    if unknown := sorted(wanted - set(VARIANTS)):
        known = ", ".join(f"{name} ({words})" for name, words in VARIANTS.items())
        raise UsageError(f"There is no variant {', '.join(unknown)}. There are {known}.")
    return [name for name in VARIANTS if name in wanted | {THIS}]


def pairs(
    rates: Mapping[str, Sequence[float]], limits: Mapping[str, Sequence[float]]
) -> Iterator[tuple[str, tuple[Sequence[float], Sequence[float]]]]:
    """Yield the name of each comparison that was measured, with the rates on both sides. Pure."""
    for name, other in rates.items():
        if name != THIS:
            yield f"{THIS}/{name}", (rates[THIS], other)
    if {"intake direct", "intake runtime"} <= limits.keys():
        yield "intake direct/runtime", (limits["intake direct"], limits["intake runtime"])


def figures(found: Mapping[str, Sequence[Run]], limits: Mapping[str, Sequence[float]]) -> dict[str, Any]:
    """Return the medians, and figures that follow from them. Pure."""
    rates = {name: statistics.median(run.per_second for run in runs) for name, runs in found.items()}
    shown: dict[str, Any] = {f"{name} orders/s": rate for name, rate in rates.items()}
    middle = {name: statistics.median(values) for name, values in limits.items()}
    shown.update({f"{name}/s": value for name, value in middle.items()})
    if "transport messages" in middle:
        shown["a: orders/s × hops as a share of the transport"] = (
            rates[THIS] * len(TOPICS) / middle["transport messages"]
        )
    if "bare rows" in middle:
        # An order writes as many rows as it passes topics: three inserts and an update.
        shown["a: rows/s as a share of bare inserts"] = rates[THIS] * len(TOPICS) / middle["bare rows"]
    commits = [run.commits_per_second for run in found[THIS] if run.commits_per_second]
    if commits:
        shown["a: commits/s"] = statistics.median(commits)
        shown["a: orders per commit"] = statistics.median(
            run.per_second / run.commits_per_second for run in found[THIS] if run.commits_per_second
        )
    return shown


def _measure_variant(work: session.Session, name: str, number: int, orders: int) -> Run:
    with ENTER[name](work.system) as processes:
        # The variant's instances may have just started.
        work.measure(Plan(f"{name} warm-up", work.workload(WARM_UP_ORDERS)), keep=False)
        plan = Plan(f"{name} {number}", work.workload(orders), linger_ms=work.options.linger_ms, processes=processes)
        return work.measure(plan)


def _limits(work: session.Session) -> Iterator[tuple[str, float]]:
    quick, system = work.options.quick, work.system
    seconds = QUICK_LIMIT_S if quick else LIMIT_S
    bare_rows = inserts.limit(system.dsns["ordenes"], seconds, ROWS)
    yield "bare rows", bare_rows
    yield "bare commits", bare_rows / ROWS
    if system.local is None:
        work.missing.note("Intake alone and transport: the system is not this machine's local stack")
        return
    yield "transport messages", transport.limit(system, system.local, seconds, MESSAGE_BYTES)
    for how, messages in (QUICK_INTAKE_MESSAGES if quick else INTAKE_MESSAGES).items():
        yield f"intake {how}", intake.rate(system, how, messages)


@contextmanager
def _changed(changes: variants.Changes, system: System) -> Iterator[Mapping[str, int]]:
    with variants.configured(system, changes):
        yield {}


@contextmanager
def _without_totals(system: System) -> Iterator[Mapping[str, int]]:
    with totals.switched_off(system.dsns["reporting"]):
        yield {}


ENTER: Mapping[str, Entered] = {
    THIS: partial(_changed, {}),
    PLAIN: plain.running,
    RUNTIME: partial(_changed, variants.THROUGH_RUNTIME),
    ONE: partial(_changed, variants.BATCHES_OF_ONE),
    NO_STATE: partial(_changed, variants.WITHOUT_STATE),
    NO_TOTALS: _without_totals,
}
