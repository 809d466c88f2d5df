"""`alpes report`: has Reporting make a report, and fetches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from client.reports import fetch_report
from connection.client import connected
from schemas.tienda.periodo import BY, CREATED, Periodo, periodo
from schemas.tienda.times import UnknownTime
from terminal.interrupt import interruptible
from terminal.options import Positive, service_url_option, tz_option
from terminal.output import STANDARD_OUTPUT, OutputFile, writing


class _When(click.ParamType[str]):
    """A time, as its text: the command's time zone says which one. An empty one isn't the same as none."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value:
            self.fail("it names no time", param, ctx)
        return str(value)


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
    "--from",
    "start",
    type=_When(),
    metavar="WHEN",
    help="Only orders from this time on: a date, such as 2026-11-01, which is the start of that day, or a time, such "
    "as 2026-11-01T08:30 in the time zone of --tz, or 2026-11-01T08:30-05:00.",
)
@click.option(
    "--to",
    "end",
    type=_When(),
    metavar="WHEN",
    help="Only orders before this time, which is itself excluded: for one day, name the next.",
)
@click.option(
    "--by",
    type=click.Choice(BY),
    default=CREATED,
    show_default=True,
    help="Which time --from and --to are about: when the client says that it created the order, or when the order's "
    "status last changed.",
)
@tz_option
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
def report(
    report_format: str,
    start: str | None,
    end: str | None,
    by: str,
    zone: ZoneInfo,
    output: Path,
    timeout: float,
    service_url: str,
) -> None:
    """Fetch a report of all orders, or of those of a period.

    The report shows each time in milliseconds since 1970 and as ISO 8601 in the time zone of --tz. A day is as long as
    that zone's clocks make it. A time that they skip or show twice is refused; with an offset, it is always clear.

    \b
    Examples:
      alpes report                                    as CSV, to the terminal
      alpes report --format json --output orders.json
      alpes report --from 2026-11-01 --to 2026-12-01 --tz America/Mexico_City
      alpes report --from 2026-11-29T08:30 --by updated
      alpes report | column -s, -t | less -S
    """  # noqa: D301 - \b is click's mark
    try:
        asked = periodo(start or "", end or "", zone.key, by)
    except UnknownTime as error:
        raise click.UsageError(str(error)) from None
    with interruptible() as stop, connected(service_url) as client:
        content = fetch_report(client, report_format, asked, timeout, stop)
    if content is None:
        raise KeyboardInterrupt
    with writing(output) as file:
        file.write(content)
    if output != STANDARD_OUTPUT:
        click.echo(f"Wrote {len(content):,} bytes to {output}: {_described(asked)}.", err=True)
    elif asked.bounded:
        click.echo(f"This report has {_described(asked)}.", err=True)


def _described(asked: Periodo) -> str:
    start = "" if asked.from_ms is None else f" from {asked.shown(asked.from_ms)}"
    end = "" if asked.to_ms is None else f" to {asked.shown(asked.to_ms)}"
    which = f"orders {asked.by}{start}{end}" if asked.bounded else "all orders"
    return f"{which}, times in {asked.zone.key}"
