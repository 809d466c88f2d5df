"""`python -m bench scaling`: measures more instances of each function alone, and of all functions together."""

from collections.abc import Iterator, Mapping

import click

from bench import cpu, machine, variants
from bench.commands import session
from bench.run import Plan
from bench.system import SERVICES

SUMMARY = "measure orders a second with more instances of each function, alone and together, and what is saturated"
ORDERS, QUICK_ORDERS = 60_000, 3_000
INSTANCES, QUICK_INSTANCES = [1, 2, 4], [1, 2]


OPTIONS = (
    click.Option(["--orders"], type=session.positive, metavar="N", help=f"Orders of each run ({ORDERS:,})."),
    click.Option(
        ["--instances"],
        type=session.numbers,
        metavar="N,N,…",
        help=f"Numbers of instances ({','.join(map(str, INSTANCES))}).",
    ),
    click.Option(["--together-only"], is_flag=True, help="Leave out the runs that scale one function alone."),
)


def run(options: session.Options) -> None:
    """Measure each case once."""
    orders = options.orders or (QUICK_ORDERS if options.quick else ORDERS)
    wanted = options.instances or (QUICK_INSTANCES if options.quick else INSTANCES)
    with session.opened(options) as work:
        work.warm_up()
        full = {}
        for name, case in cases(wanted, alone=not (options.together_only or options.quick)):
            with variants.scaled(work.system, case):
                found = work.measure(Plan(name, work.workload(orders), linger_ms=options.linger_ms))
            if found.cpu_s:
                busy = found.machine_busy_s
                full[name] = cpu.saturated(found.cpu_s, found.seconds, machine.cores(), busy) or ["none of them"]
        work.figures["full"] = full


def cases(instances: list[int], *, alone: bool) -> Iterator[tuple[str, Mapping[str, int]]]:
    """Yield each case: its name, and the number of instances of each function. Pure."""
    for number in instances:
        yield f"all × {number}", dict.fromkeys(SERVICES, number)
    if alone:
        for service in SERVICES:
            for number in instances:
                if number > 1:
                    yield f"{service} × {number}", {**dict.fromkeys(SERVICES, 1), service: number}
