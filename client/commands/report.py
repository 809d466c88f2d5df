"""`alpes report`: has Reporting make a report, and fetches it."""

from __future__ import annotations

from pathlib import Path

import click

from client.reports import fetch_report
from connection.client import connected
from terminal.interrupt import interruptible
from terminal.options import Positive, service_url_option
from terminal.output import STANDARD_OUTPUT, OutputFile, writing


@click.command()
@click.option(
    "--format",
    "report_format",
    default="csv",
    show_default=True,
    metavar="FORMAT",
    help="A format that Reporting has, such as csv or json. For an unknown one, the error lists them all.",
)
@click.option(
    "--output",
    type=OutputFile(),
    default=STANDARD_OUTPUT,
    metavar="FILE",
    help="Write to this file, whole or not at all. Without it, or with -, write to standard output.",
)
@click.option(
    "--timeout",
    type=Positive(),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when nothing has arrived for this long.",
)
@service_url_option
def report(report_format: str, output: Path, timeout: float, service_url: str) -> None:
    """Fetch a report of all orders.

    \b
    Examples:
      alpes report                                    as CSV, to the terminal
      alpes report --format json --output orders.json
      alpes report | column -s, -t | less -S
    """  # noqa: D301 - \b is click's mark
    with interruptible() as stop, connected(service_url) as client:
        content = fetch_report(client, report_format, timeout, stop)
    if content is None:
        raise KeyboardInterrupt
    with writing(output) as file:
        file.write(content)
    if output != STANDARD_OUTPUT:
        click.echo(f"Wrote {len(content):,} bytes to {output}.", err=True)
