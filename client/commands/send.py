"""`alpes send`: sends made-up orders and follows them to their end."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console

from client.follower import Follower
from client.ledger import UNSENT, Ledger, RunSummary
from client.orders import order_stream, random_seed
from client.rendering import RunProgress, show_summary
from client.sender import Sender, open_producer
from connection.client import connected
from schemas.tienda.topics import CREAR_ORDEN, full_name
from schemas.tienda.upcasters import NEWEST
from terminal.console import table_console
from terminal.interrupt import interruptible
from terminal.options import Positive, service_url_option, tz_option
from terminal.output import OutputFile, writing

MOST_ORDERS = 2_000_000


@click.command()
@click.option(
    "--orders",
    type=click.IntRange(min=1, max=MOST_ORDERS),
    default=100,
    show_default=True,
    metavar="N",
    help=f"How many orders to send, at most {MOST_ORDERS:,}: memory holds each of them to the end.",
)
@click.option(
    "--rate",
    type=Positive(),
    metavar="R",
    help="Orders per second. Without it, as fast as Pulsar takes them.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**64 - 1),
    metavar="S",
    help="Make the run repeatable: the same seed gives the same orders, ids included. A second run with it sends "
    "duplicates, which change nothing, and says so. Without it, every order is new.",
)
@click.option(
    "--schema-version",
    type=click.IntRange(min=1, max=NEWEST),
    default=NEWEST,
    show_default=True,
    metavar="V",
    help="Version of the messages. An older one is for a system that is still to be updated; it changes no order's id "
    "and no line of its address.",
)
@click.option(
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Wait until each order has ended, or only until Pulsar has them all.",
)
@click.option(
    "--timeout",
    type=Positive(),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop following when no order has ended for this long.",
)
@click.option(
    "--summary-json",
    type=OutputFile(),
    metavar="FILE",
    help="Write the summary to this file too, as JSON.",
)
@tz_option
@service_url_option
def send(  # noqa: PLR0913, PLR0917 - click passes options by name
    orders: int,
    rate: float | None,
    seed: int | None,
    schema_version: int,
    follow: bool,  # noqa: FBT001 - the same
    timeout: float,
    summary_json: Path | None,
    zone: ZoneInfo,
    service_url: str,
) -> None:
    """Send made-up orders and follow them to their end.

    Prints how the orders ended, how many ended per second, and how long one took. Exits with 0
    only when every order is accounted for: it has a final status, or lies in a dead-letter topic.
    Dead-lettered orders are shown in red. After Ctrl-C, prints what is known by then.

    \b
    Examples:
      alpes send                             100 orders
      alpes send --orders 20000              as fast as they go
      alpes send --orders 600 --rate 10      ten a second, for a minute
      alpes send --seed 7                    the same 100 orders each time
    """  # noqa: D301 - \b is click's mark
    chosen_seed = random_seed() if seed is None else seed
    ledger = Ledger()
    with interruptible() as stop, connected(service_url) as client, ExitStack() as following:
        sender = Sender(lambda: open_producer(client, full_name(CREAR_ORDEN)), ledger)
        follower = following.enter_context(Follower(client, ledger)) if follow else None
        with RunProgress(Console(stderr=True), orders, follow=follow) as progress:

            def tick() -> None:
                progress.show(sender.confirmed, ledger.finished)

            sender.send(order_stream(chosen_seed, orders, schema_version), stop, tick, rate)
            complete = follower is None or follower.wait(timeout, stop, tick)
            tick()
        summary = ledger.close()
    _summarise(summary, confirmed=sender.confirmed, seed=chosen_seed, follow=follow, file=summary_json, zone=zone)
    if stop.is_set():
        raise KeyboardInterrupt
    if summary.outcomes[UNSENT] or (follow and not (complete and summary.missing == 0)):
        sys.exit(1)


def _summarise(
    summary: RunSummary, *, confirmed: int, seed: int, follow: bool, file: Path | None, zone: ZoneInfo
) -> None:
    if file is not None:
        content = summary.as_json(zone) | {"confirmed": confirmed, "followed": follow, "seed": seed}
        with writing(file) as summary_file:
            summary_file.write(json.dumps(content, indent=2).encode() + b"\n")
    console = table_console()
    if follow:
        show_summary(console, summary, zone)
        return
    console.print(f"Pulsar has {confirmed:,} of {summary.orders:,} orders. They were not followed.")
    for reason, count in summary.send_errors.items():
        console.print(
            f"[bold red]{count:,} were not confirmed by Pulsar, but may have arrived:[/] {reason}", soft_wrap=True
        )
