"""`alpes report`: has Reporting make a report, and fetches it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from client.commands.options import service_url_option
from client.connection import connected
from client.files import write_atomically
from client.interrupt import interruptible
from client.reports import fetch_report


@click.command()
@click.option(
    "--format",
    "report_format",
    default="csv",
    show_default=True,
    metavar="FORMAT",
    help="csv, json or whatever else Reporting has; a name it does not know makes it list them.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write to this file, whole or not at all. Without, to standard output.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Give up when nothing has arrived for this long.",
)
@service_url_option
def report(report_format: str, output: Path | None, timeout: float, service_url: str) -> None:
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
    if output is None or str(output) == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_atomically(output, content)
        click.echo(f"Wrote {len(content):,} bytes to {output}.", err=True)
