"""`python -m bench skew`: measures ids and clients that are unevenly spread."""

import click

from bench.commands import session
from bench.ratios import ratio, rotated
from bench.run import Plan
from bench.workload import Clients, Ids

SUMMARY = "compare throughput with uneven ids and clients (Zipf, half of all orders by one client) with even ones"
ORDERS, QUICK_ORDERS = 60_000, 5_000
ROUNDS = 3
SPREADS: dict[str, tuple[Ids, Clients]] = {
    "uniform": ("each", "uniform"),
    "zipf ids and clients": ("zipf", "zipf"),
    "zipf clients": ("each", "zipf"),
    "half by one client": ("each", "half"),
}


OPTIONS = (
    click.Option(["--orders"], type=session.positive, metavar="N", help=f"Commands of each run ({ORDERS:,})."),
    click.Option(["--rounds"], type=session.positive, metavar="N", help=f"Runs of each spread ({ROUNDS})."),
)


def run(options: session.Options) -> None:
    """Measure each spread once a round."""
    orders = options.orders or (QUICK_ORDERS if options.quick else ORDERS)
    rates: dict[str, list[float]] = {name: [] for name in SPREADS}
    with session.opened(options) as work:
        work.warm_up()
        for number in range(options.rounds or (1 if options.quick else ROUNDS)):
            for name in rotated(list(SPREADS), number):
                ids, clients = SPREADS[name]
                plan = Plan(f"{name} {number + 1}", work.workload(orders, ids, clients), linger_ms=options.linger_ms)
                rates[name].append(work.measure(plan).per_second)
        for name, found in rates.items():
            if name != "uniform":
                work.ratios[f"{name}/uniform"] = ratio(found, rates["uniform"])._asdict()
