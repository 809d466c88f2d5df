"""`python -m bench soak`: runs at one rate for minutes, and measures what drifts and how fast."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from bench.commands import session
from bench.ratios import slope
from bench.results import Run
from bench.run import Plan

SUMMARY = "run at a fixed rate for minutes, and measure how throughput, p99, memory and tables drift"
RATE, QUICK_RATE = 1_000, 200
MINUTES = 10.0
QUICK_MINUTES = 0.5
WINDOW_S = 10.0
LEAST_MINUTES = 0.5


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not LEAST_MINUTES <= minutes < 10_000:
        raise click.BadParameter(f"{text!r} is not a number of minutes of at least {LEAST_MINUTES:g}")
    return minutes


OPTIONS = (
    click.Option(["--rate"], type=session.positive, metavar="N", help=f"Orders a second ({RATE:,})."),
    click.Option(["--minutes"], type=_minutes, metavar="M", help=f"How long ({MINUTES:g})."),
    click.Option(
        ["--rows"],
        type=session.positive,
        metavar="N",
        help="First fill the tables with so many orders that ended long ago, such as 5000000.",
    ),
)


def run(options: session.Options) -> None:
    """Measure once."""
    if options.rows:
        session.require_own(options, "--rows")
    rate = options.rate or (QUICK_RATE if options.quick else RATE)
    minutes = options.minutes or (QUICK_MINUTES if options.quick else MINUTES)
    with session.opened(options) as work:
        if options.rows:
            work.fill(options.rows)
        work.warm_up()
        found = work.measure(
            Plan(
                f"{rate:,}/s for {minutes:g} min",
                work.workload(int(rate * minutes * 60)),
                rate=float(rate),
                live=True,
                window_s=WINDOW_S,
                linger_ms=options.linger_ms,
                sample_s=WINDOW_S / 2,
                with_tables=True,
            )
        )
        work.figures["slopes per minute"] = dict(slopes(found))


def slopes(found: Run) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield, by a figure's name, how much it changes each minute, with the standard error. Pure.

    The first and the last window don't count, since they aren't whole.
    """
    windows = found.windows[1:-1]
    minutes = [(n + 1) * found.window_s / 60 for n in range(len(windows))]
    # A window without orders has no percentiles.
    shown = [(at, window) for at, window in zip(minutes, windows, strict=True) if window.count]
    yield from _slope("orders/s", minutes, [window.count / found.window_s for window in windows])
    yield from _slope("p50 ms", [at for at, _ in shown], [window.at(50) / 1e3 for _, window in shown])
    yield from _slope("p99 ms", [at for at, _ in shown], [window.at(99) / 1e3 for _, window in shown])
    for attribute, unit in (("memory_bytes", "memory MB"), ("table_bytes", "size MB")):
        for name in _names(found, attribute):
            series = [(s.at_s / 60, getattr(s, attribute)) for s in found.samples if name in getattr(s, attribute)]
            yield from _slope(f"{name} {unit}", [at for at, _ in series], [values[name] / 1e6 for _, values in series])
    lag = [(s.at_s / 60, s.state_age_s) for s in found.samples if s.state_age_s is not None]
    yield from _slope("state store behind, s", [at for at, _ in lag], [age for _, age in lag])


def _names(found: Run, attribute: str) -> Sequence[str]:
    every: dict[str, None] = {}
    for sample in found.samples:
        values: Mapping[str, int] = getattr(sample, attribute)
        every.update(dict.fromkeys(values))
    return list(every)


def _slope(name: str, xs: Sequence[float], ys: Sequence[float]) -> Iterator[tuple[str, dict[str, Any]]]:
    if len(set(xs)) > 2:
        fitted = slope(xs, ys)
        yield name, {"per_minute": fitted.per_unit, "error": fitted.error, "first": ys[0], "last": ys[-1]}
