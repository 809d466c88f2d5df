"""`python -m bench latency`: measures latencies in an open loop at fixed rates, step by step."""

import click

from bench.commands import session
from bench.run import Plan

SUMMARY = "measure latencies at fixed rates, from the intended send time, by step and end to end"
RATES, QUICK_RATES = [100, 300, 1000, 2000], [200]
DURATION_S, QUICK_DURATION_S = 60, 10
WARM_UP_S, QUICK_WARM_UP_S = 5.0, 2.0


OPTIONS = (
    click.Option(
        ["--rates"], type=session.numbers, metavar="N,N,…", help=f"Orders a second ({','.join(map(str, RATES))})."
    ),
    click.Option(
        ["--seconds"],
        type=session.positive,
        metavar="S",
        help=f"Seconds of each rate, after {WARM_UP_S:g} s of warm-up ({DURATION_S}).",
    ),
)


def run(options: session.Options) -> None:
    """Measure each rate once."""
    seconds = options.seconds or (QUICK_DURATION_S if options.quick else DURATION_S)
    warm_up_s = QUICK_WARM_UP_S if options.quick else WARM_UP_S
    with session.opened(options) as work:
        work.warm_up()
        for rate in options.rates or (QUICK_RATES if options.quick else RATES):
            work.measure(
                Plan(
                    f"{rate:,}/s",
                    work.workload(int(rate * (seconds + warm_up_s))),
                    rate=float(rate),
                    live=True,
                    with_hops=True,
                    warm_up_s=warm_up_s,
                    linger_ms=options.linger_ms,
                )
            )
