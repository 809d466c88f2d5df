"""`alpes report`: has Reporting make a report, and fetches it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from client.catalogue import CATALOGUE, show
from client.reports import Wish, fetch_report, new_report_id
from client.spool import Spool, spooled
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


class _Filter(click.ParamType[tuple[str, str]]):
    """A filter: a name and a value."""

    name = "filter"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, wanted = str(value).partition("=")
        if not (name and equals and wanted):
            self.fail(f"{value!r} must be NAME=VALUE, such as status=aprobada", param, ctx)
        return name, wanted


@click.command()
@click.option(
    "--report",
    "kind",
    default="orders",
    show_default=True,
    metavar="KIND",
    help="A kind of report that Reporting has, such as by-day or payments: --formats lists them.",
)
@click.option(
    "--filter",
    "filters",
    type=_Filter(),
    multiple=True,
    metavar="NAME=VALUE",
    help="Only orders that have this, such as status=aprobada. Can be given several times, with another name each.",
)
@click.option(
    "--format",
    "report_format",
    default="csv",
    show_default=True,
    metavar="FORMAT",
    help="A format that Reporting has, such as csv, json or html: --formats lists them.",
)
@click.option(
    "--excel",
    is_flag=True,
    help="CSV as Excel opens it safely: the same as --format csv-excel.",
)
@click.option(
    "--formats",
    "catalogue",
    is_flag=True,
    help="List the kinds of report, their filters and the formats that Reporting has, and what is missing for one.",
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
def report(  # noqa: PLR0913 -- one argument per option
    *,
    kind: str,
    filters: Sequence[tuple[str, str]],
    report_format: str,
    excel: bool,
    catalogue: bool,
    start: str | None,
    end: str | None,
    by: str,
    zone: ZoneInfo,
    output: Path,
    timeout: float,
    service_url: str,
) -> None:
    """Fetch a report of all orders, or of those of a period.

    A report is written whole or not at all; until it is whole, it is held on the disk.

    The report shows each time in milliseconds since 1970 and as ISO 8601 in the time zone of --tz. A day is as long as
    that zone's clocks make it. A time that they skip or show twice is refused; with an offset, it is always clear.

    \b
    Examples:
      alpes report                                    as CSV, to the terminal
      alpes report --formats                          what Reporting has
      alpes report --report by-day --format markdown  to read in the terminal
      alpes report --report payments --filter currency=USD
      alpes report --format json --output orders.json
      alpes report --from 2026-11-01 --to 2026-12-01 --tz America/Mexico_City
      alpes report --from 2026-11-29T08:30 --by updated
      alpes report | column -s, -t | less -S
    """  # noqa: D301 - \b is click's mark
    try:
        asked = periodo(start or "", end or "", zone.key, by)
    except UnknownTime as error:
        raise click.UsageError(str(error)) from None
    if excel and report_format != "csv":
        raise click.UsageError(f"--excel is --format csv-excel: leave out one of it and --format {report_format}")
    if again := [name for name, count in Counter(name for name, _ in filters).items() if count > 1]:
        raise click.UsageError(f"--filter names {again[0]} more than once, and an order has only one: name one value")
    wish = Wish("csv-excel" if excel else report_format, asked, kind, dict(filters))
    if catalogue:
        wish = CATALOGUE
    report_id = new_report_id()
    with (
        spooled(wish.asked(report_id), None if output == STANDARD_OUTPUT or catalogue else output) as spool,
        interruptible() as stop,
    ):
        with connected(service_url) as client:
            if not fetch_report(client, report_id, wish, spool.take, timeout, stop):
                raise KeyboardInterrupt
        if catalogue:
            show(spool)
        else:
            _write(spool, output, asked)


def _write(spool: Spool, output: Path, asked: Periodo) -> None:
    with writing(output) as file:
        written = spool.write(file)
    if output != STANDARD_OUTPUT:
        click.echo(f"Wrote {written:,} bytes to {output}: {_described(asked)}.", err=True)
    elif asked.bounded:
        click.echo(f"This report has {_described(asked)}.", err=True)


def _described(asked: Periodo) -> str:
    start = "" if asked.from_ms is None else f" from {asked.shown(asked.from_ms)}"
    end = "" if asked.to_ms is None else f" to {asked.shown(asked.to_ms)}"
    which = f"orders {asked.by}{start}{end}" if asked.bounded else "all orders"
    return f"{which}, times in {asked.zone.key}"
