"""`alpes trace`: one order's way through topics and tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alpes_wire.names import DEAD_LETTER_SUFFIX
from connection.admin import Admin
from connection.client import connected
from connection.errors import PulsarError
from operations.errors import NotDeployedError, UnknownOrderError
from operations.options import ORDER_ID, dsn_option
from operations.state import order_status
from operations.trace.hops import COMMAND_TOPICS, TOPICS, Hop, TraceRows, in_order
from operations.trace.messages import Found, Span, find
from operations.trace.tables import read_rows
from schemas.tienda import money
from schemas.tienda.topics import SERVICES
from terminal.advice import ALPES, explained
from terminal.console import Counting, table_console
from terminal.errors import CommandError
from terminal.interrupt import interruptible
from terminal.options import Positive, admin_url_option, json_option, service_url_option, tz_option
from terminal.text import moment, one_line


@click.command(short_help="Show one order's way through topics and tables.")
@click.argument("order_id", type=ORDER_ID)
@click.option(
    "--margin",
    type=Positive(),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="How long before the first and after the last time in the tables to look for messages.",
)
@click.option(
    "--all", "everything", is_flag=True, help="Read the topics whole. This is slow with millions of messages."
)
@json_option
@tz_option
@dsn_option("ordenes")
@dsn_option("pagos")
@dsn_option("reporting")
@service_url_option
@admin_url_option
def trace(  # noqa: PLR0913, PLR0917 - click passes options by name
    order_id: str,
    margin: float,
    everything: bool,  # noqa: FBT001 - the same
    as_json: bool,  # noqa: FBT001 - the same
    zone: ZoneInfo,
    ordenes_dsn: str | None,
    pagos_dsn: str | None,
    reporting_dsn: str | None,
    service_url: str,
    admin_url: str,
) -> None:
    """Show one order's way through topics and tables, with the time from each step to the next.

    The tables say when the order was accepted and ended. The topics are read around these times only, and the last line
    says what was read. Each time is from the clock of the machine that wrote it. Messages that came again are marked.
    Databases whose DSN is missing are left out.

    Exits with 1 if there is no trace of the order.

    \b
    Examples:
      alpes trace 5f0c2a9e-6f6b-4c58-9d6b-0c0f3f3f9b1e
      alpes trace 5f0c2a9e-6f6b-4c58-9d6b-0c0f3f3f9b1e --margin 3600    a dead letter replayed later
    """  # noqa: D301 - \b is click's mark
    dsns = dict(zip(SERVICES, (ordenes_dsn, pagos_dsn, reporting_dsn), strict=True))
    admin = Admin(admin_url)
    rows = read_rows(order_id, dsns)
    times = rows.times()
    span = Span.around(times, margin) if times and not everything else Span(None, None)
    # An order that is in no table can only be in the topics of commands.
    wanted = COMMAND_TOPICS if ordenes_dsn and not times and not everything else TOPICS
    with interruptible() as stop, connected(service_url) as client:
        there = set(admin.topics())
        with Counting("messages read") as counting:

            def goes_on(messages: int) -> bool:
                counting.show(messages)
                return not stop.is_set()

            found = find(
                client,
                admin,
                [topic for topic in wanted if topic in there],
                span,
                order_id=order_id,
                accepted_at_ms=rows.accepted_at_ms,
                goes_on=goes_on,
            )
        if stop.is_set():
            raise KeyboardInterrupt
    shown = _Trace(order_id, rows, found, span, _state(admin, order_id), [name for name, dsn in dsns.items() if dsn])
    if as_json:
        click.echo(json.dumps(shown.as_json(), indent=2))
    else:
        shown.show(table_console(), zone)
    if not shown.hops:
        raise UnknownOrderError(f"There is no trace of an order {order_id} in what was looked at.")


def _state(admin: Admin, order_id: str) -> str | None:
    """Return the status in the state store; empty if it has none, None if it can't be asked, and the rest is shown."""
    try:
        return order_status(admin, order_id)
    except (UnknownOrderError, NotDeployedError):
        return ""
    except CommandError as error:
        click.echo(f"alpes: {error}", err=True)
    except PulsarError as error:
        click.echo(f"alpes: {explained(error, ALPES)}", err=True)
    return None


@dataclass(frozen=True)
class _Trace:
    order_id: str
    rows: TraceRows
    found: Found
    span: Span
    state: str | None
    databases: list[str]

    @property
    def hops(self) -> list[Hop]:
        return in_order(self.rows.hops() + self.found.hops)

    def as_json(self) -> dict[str, Any]:
        leida = self.rows.leida
        return {
            "order_id": self.order_id,
            "status": self.rows.orden[0] if self.rows.orden else None,
            "trace_id": self._trace_id(),
            "reporting": {"status": leida[0], "version": leida[1]} if leida else None,
            "state": self.state or None,
            "state_pending": len(self.rows.marks),
            "hops": [hop._asdict() for hop in self.hops],
            "looked_at": {
                "databases": self.databases,
                "topics": self.found.topics,
                "messages": self.found.messages,
                "since_ms": self.span.since_ms,
                "until_ms": self.span.until_ms,
            },
        }

    def _trace_id(self) -> str:
        return self.rows.trace_id or next((hop.trace_id for hop in self.hops if hop.trace_id), "")

    def show(self, console: Console, zone: ZoneInfo) -> None:
        trace_id = self._trace_id()
        console.print(f"[bold]order[/]      {self.order_id}, {self._outcome()}", soft_wrap=True)
        if trace_id:
            console.print(f"[bold]trace[/]      {trace_id}")
        console.print(f"[bold]reporting[/]  {self._reporting()}")
        console.print(f"[bold]state[/]      {self._state()}\n")
        if self.hops:
            console.print(self._table(trace_id, zone))
            console.print()
        span = "whole"
        if self.span.since_ms is not None and self.span.until_ms is not None:
            span = f"from {moment(self.span.since_ms, zone)} to {moment(self.span.until_ms, zone)}"
        console.print(
            f"looked at  databases {', '.join(self.databases) or 'none'}; {len(self.found.topics)} topics {span}: "
            f"{self.found.messages:,} messages",
            soft_wrap=True,
        )

    def _outcome(self) -> str:
        if not self.rows.orden:
            return "not accepted" if "ordenes" in self.databases else "its table was not looked at"
        status, version, cents, currency, *_ = self.rows.orden
        return f"[bold]{status}[/], version {version}, {money.amount(cents, currency)}"

    def _reporting(self) -> str:
        if self.rows.leida:
            return f"{self.rows.leida[0]}, version {self.rows.leida[1]}"
        return "no row" if "reporting" in self.databases else "not looked at"

    def _state(self) -> str:
        pending = ", still to be written" if self.rows.marks else ""
        if self.state is None:
            return f"can't be asked{pending}"
        return f"{escape(one_line(self.state)) or 'nothing'}{pending}"

    def _table(self, trace_id: str, zone: ZoneInfo) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column(f"time ({zone.key})", no_wrap=True)
        table.add_column("after", justify="right", no_wrap=True)
        table.add_column("where", no_wrap=True)
        table.add_column("what", overflow="fold")
        table.add_column("message", no_wrap=True, style="dim")
        before = None
        for hop in self.hops:
            what = escape(one_line(hop.what))
            if hop.trace_id and trace_id and hop.trace_id != trace_id:
                what += f" (of another trace, {escape(one_line(hop.trace_id))})"
            style = "red" if hop.place.endswith(DEAD_LETTER_SUFFIX) else ""
            table.add_row(
                moment(hop.at_ms, zone), _after(hop.at_ms, before), hop.place, what, hop.message_id, style=style
            )
            before = hop.at_ms
        return table


def _after(at_ms: int, before_ms: int | None) -> str:
    if before_ms is None:
        return ""
    passed = at_ms - before_ms
    return f"{passed:,} ms" if passed < 10_000 else f"{passed / 1000:,.1f} s"
