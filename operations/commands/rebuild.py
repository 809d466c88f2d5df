"""`alpes rebuild`: rebuilds Reporting's read model, or the state store."""

from __future__ import annotations

import json
import sys
import time

import click

from connection.admin import Admin
from connection.client import connected
from operations.database import database
from operations.options import dsn_option
from operations.rebuild import estado
from operations.rebuild.reporting import Rebuilt, ReportingRebuild
from terminal.console import Counting
from terminal.interrupt import interruptible
from terminal.options import Positive, admin_url_option, json_option, service_url_option

STATEMENT_TIMEOUT_S = 3_600


@click.group(short_help="Rebuild the read model, or the state store.")
def rebuild() -> None:
    """Rebuild what is derived from topics and tables, while the system runs.

    \b
    Examples:
      alpes rebuild reporting --dry-run        what is wrong in Reporting's table
      alpes rebuild reporting                  make it agree with the topic orden-actualizada
      alpes rebuild state                      make the state store agree with the tables
    """  # noqa: D301 - \b is click's mark


@rebuild.command()
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--remove-unknown",
    is_flag=True,
    help="Say that the topic is whole: remove rows without an event, and take back versions without one.",
)
@json_option
@dsn_option("reporting", "--dsn")
@service_url_option
@admin_url_option
def reporting(
    dry_run: bool,  # noqa: FBT001 - click passes it by name
    remove_unknown: bool,  # noqa: FBT001 - the same
    as_json: bool,  # noqa: FBT001 - the same
    dsn: str | None,
    service_url: str,
    admin_url: str,
) -> None:
    """Rebuild Reporting's table from the topic orden-actualizada.

    Reads the whole topic and keeps each order's newest change. Then, in one transaction, locks the table against
    writers, reads what has come since, and corrects or adds the rows that differ. The totals follow the rows; those
    that differ from them all the same are counted anew. Readers of the table never wait;
    Reporting waits during that transaction. If this is interrupted, it has changed nothing.

    A row or a version without an event is counted and left, because retention may have dropped the event. The table
    then differs from the topic. With --remove-unknown you say that no event was ever dropped: such rows are removed,
    and such versions taken back.

    Exits with 0 when the table agrees with the topic afterwards, and with 1 when anything was left that differs. With
    --dry-run, exits as it would without.

    \b
    Examples:
      alpes rebuild reporting --dry-run            what would change, and what would be left
      alpes rebuild reporting                      correct and add rows, remove none
      alpes rebuild reporting --remove-unknown     the topic was always kept whole
    """  # noqa: D301 - \b is click's mark
    admin = Admin(admin_url)
    with (
        interruptible() as stop,
        connected(service_url) as client,
        database("reporting", dsn, statement_timeout_s=STATEMENT_TIMEOUT_S) as connection,
        Counting("events read") as counting,
    ):
        work = ReportingRebuild(client, admin, connection, stop, counting.show)
        rebuilt = work.run(whole=remove_unknown, dry_run=dry_run)
    if as_json:
        click.echo(json.dumps({**rebuilt._asdict(), "dry_run": dry_run}, indent=2))
    else:
        _show(rebuilt, dry_run=dry_run)
    if not rebuilt.equal:
        sys.exit(1)


def _show(rebuilt: Rebuilt, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    right = rebuilt.orders - rebuilt.corrected - rebuilt.added - rebuilt.newer
    refused = f"; {rebuilt.refused:,} were refused, as by Reporting" if rebuilt.refused else ""
    click.echo(f"read   {rebuilt.events:,} events of {rebuilt.orders:,} orders{refused}")
    click.echo(
        f"rows   {rebuilt.removed:,} {would}removed, {rebuilt.corrected:,} {would}corrected, "
        f"{rebuilt.added:,} {would}added; {right:,} were right"
    )
    if rebuilt.totals:
        click.echo(f"totals {rebuilt.totals:,} {would}counted anew: they differed from the rows")
    if not rebuilt.equal:
        click.echo(
            f"left   {rebuilt.left:,} without an event, {rebuilt.newer:,} newer than their events: the table "
            f"{'would differ' if dry_run else 'differs'} from the topic there. If the topic was always kept whole, "
            "--remove-unknown removes these rows and takes these versions back"
        )
    click.echo(f"took   {rebuilt.seconds:,.1f} s, for {rebuilt.locked_seconds:,.1f} s of which Reporting waited")


@rebuild.command()
@click.option("--after", default="", metavar="ORDER_ID", help="Leave out orders up to this id, to continue a rebuild.")
@click.option(
    "--timeout",
    type=Positive(),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop when nothing has been written for this long.",
)
@json_option
@dsn_option("ordenes", "--dsn")
@admin_url_option
def state(after: str, timeout: float, as_json: bool, dsn: str | None, admin_url: str) -> None:  # noqa: FBT001 - by name
    """Have every order's status and Reporting's totals written to the state store again.

    Ordenes itself writes the statuses, so none is older than the table. A few thousand orders are marked at a time, so
    that others needn't wait long behind them. While orders come faster than state_puts_per_second, these wait in turn
    behind what is marked already. Then the command waits for Reporting's totals, which are written every minute. Keys
    that name no order are left, because nobody can list a store's keys.

    What is marked is written even after an interruption; --after continues after it.

    \b
    Examples:
      alpes rebuild state
      alpes rebuild state --after 5f0c2a9e-6f6b-4c58-9d6b-0c0f3f3f9b1e     continue an interrupted one
    """  # noqa: D301 - \b is click's mark
    admin = Admin(admin_url)
    for function in estado.SWITCHES:
        estado.require_switched_on(admin, function)
    started = time.monotonic()
    with (
        interruptible() as stop,
        database("ordenes", dsn, statement_timeout_s=STATEMENT_TIMEOUT_S) as connection,
        Counting("orders written") as counting,
    ):
        before = estado.totals_version(admin)
        done = estado.rewrite_orders(
            connection,
            stop,
            lambda progress: counting.show(progress.orders),
            after_id=after,
            patience_s=timeout,
        )
        totals = not stop.is_set() and estado.wait_for_totals(admin, before, stop, patience_s=timeout)
    seconds = time.monotonic() - started
    if as_json:
        click.echo(json.dumps({"orders": done.orders, "after": done.after_id, "totals": totals, "seconds": seconds}))
    else:
        click.echo(f"wrote  the status of {done.orders:,} orders{', and the totals' if totals else ''}")
        click.echo(f"took   {seconds:,.1f} s")
    if stop.is_set():
        if not as_json:
            click.echo(f"left   the rest; continue with --after '{done.after_id}'")
        raise KeyboardInterrupt
