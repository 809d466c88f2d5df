"""`alpes recover`: recovers what orders or a database lost, from the topics that still retain the messages."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import click
from rich.markup import escape
from rich.table import Table

from connection.admin import Admin
from connection.client import Client, connected
from operations.database import dsn_variable
from operations.options import ORDER_ID, statement_timeout_option
from operations.reconcile import messages
from operations.reconcile.check import Check
from operations.reconcile.rules import SET_BACK, Verdict
from operations.reconcile.scratch import Doubtful, OrderLetter, Scratch
from operations.reconcile.tables import Tables
from operations.reconcile.waiting import waiting
from operations.recover import sending
from operations.recover.retained import Recoverable, Retained
from schemas.tienda.topics import SERVICES
from terminal.console import Counting, table_console
from terminal.interrupt import interruptible
from terminal.options import Positive, Whole, admin_url_option, json_option, service_url_option


@click.command(short_help="Send the messages of lost orders again.")
@click.argument("ids", metavar="[ID]...", nargs=-1, type=ORDER_ID)
@click.option("--all-lost", is_flag=True, help="Every order that is lost, or that a set-back database lacks.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option(
    "--limit",
    type=Whole(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Name at most this many of the orders that can't be recovered.",
)
@click.option(
    "--grace",
    type=Positive(zero=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an order may differ before it counts; see alpes reconcile.",
)
@statement_timeout_option
@json_option
@service_url_option
@admin_url_option
def recover(  # noqa: PLR0913, PLR0917 - a command's options
    ids: tuple[str, ...],
    all_lost: bool,  # noqa: FBT001 - click passes it by name
    dry_run: bool,  # noqa: FBT001 - the same
    yes: bool,  # noqa: FBT001 - the same
    limit: int,
    grace: float,
    statement_timeout: int,
    as_json: bool,  # noqa: FBT001 - the same
    service_url: str,
    admin_url: str,
) -> None:
    """Send the messages of lost orders again, from the topics that still retain them.

    Use it after messages were dropped before their function had them: by a message TTL, a skip, clear-backlog, or an
    evicting backlog quota. Correct the policy first, because it would drop them again.

    Looks, as alpes reconcile --topics does, for orders that nothing takes further, and in the retained topics for the
    last message of each that does. Says what it found, asks, and sends these messages again to the topics where they
    lie, with the same bytes, key and properties.

    An unpaid order that only its timer would end counts as lost here, too. So does an order that differs because one
    database was set back to an earlier time and the others were not. An order whose message is a dead letter does not:
    see alpes dlq.

    Recovering is harmless, however often it is done: functions are idempotent, and what is on its way is not sent
    again. The command knows the databases of the local stack; those of a cluster are named by ALPES_ORDENES_DSN,
    ALPES_PAGOS_DSN and ALPES_REPORTING_DSN. It only reads there.

    With --all-lost, an order that orden-actualizada knows as expired is not sent if Pagos would charge it for the first
    time, as after Ordenes was set back. It is named.

    Exits with 0 when a message of every lost order was sent, also when there was none. Exits with 1 when no topic
    retains a message of one, one had expired, or an order named by its ID is unknown or differs between the services.
    With --all-lost, an order that differs, and of which no message is retained, is left to alpes reconcile. With
    --dry-run, exits as it would without.

    \b
    Examples:
      alpes recover --all-lost --dry-run       what is lost, and what can be recovered
      alpes recover --all-lost
      alpes recover 5f0c2a9e-6f6b-4c58-9d6b-0c0f3f3f9b1e
    """  # noqa: D301 - \b is click's mark
    if bool(ids) == all_lost:
        raise click.UsageError("Say which: either IDs, or --all-lost.")
    dsns = {service: os.environ.get(dsn_variable(service)) for service in SERVICES}
    admin = Admin(admin_url)
    with (
        Tables.opened(dsns, statement_timeout_s=statement_timeout) as tables,
        connected(service_url) as client,
        Retained() as retained,
    ):
        with interruptible() as stop, Counting("orders and messages read") as counting:

            def tick(number: int) -> None:
                counting.show(number)
                if stop.is_set():
                    raise KeyboardInterrupt

            with Scratch() as scratch:
                check = Check(tables, scratch, stop, tick, expiring=False)
                plan = _look(check, scratch, client, admin, set(ids), grace)
                for chunk in scratch.doubtful(Verdict.LOST, Verdict.DIFFERS):
                    orders = [order for order in chunk if _may_be_mended(order)]
                    rows = {found.id: found for found in tables.some([order.id for order in orders])}
                    retained.want((order.id, order.why, rows.get(order.id)) for order in orders)
            if all_lost:
                plan.ended = retained.leave_ended(client, admin, tick)
            retained.find(client, admin, tick)
        for order in retained.orders():
            plan.take(order, all_lost=all_lost)
        if not as_json:
            _show(plan, limit)
        outcome = sending.SendResult()
        if plan.found and not dry_run:
            if not yes:
                click.confirm(f"Send {plan.found.total():,} messages again?", abort=True, err=True)
            with interruptible() as stop, Counting("sent again") as counting:
                outcome = sending.send(client, retained.orders(), stop, counting.show)
    _finish(plan, outcome, dry_run=dry_run, as_json=as_json)


@dataclass
class Plan:
    """What was found.

    Attributes
    ----------
    found : Counter of (str, str)
        Lost orders by what they wait for, and the topic that retains a message for that.
    gone : list of str
        Lost orders of which no topic retains a message.
    ended : dict of str to str
        Orders that are not sent, because they would be charged though they had expired, with their last status.
    others : dict of str to str
        Orders that were named but are not lost, with what they are.
    wrong : set of str
        Those of them that are unknown or differ.
    not_judged : int
        Orders that may be lost, because not all that waits was read.
    """

    found: Counter[tuple[str, str]] = field(default_factory=Counter)
    gone: list[str] = field(default_factory=list)
    ended: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    wrong: set[str] = field(default_factory=set)
    not_judged: int = 0

    def take(self, order: Recoverable, *, all_lost: bool) -> None:
        """Count an order that was looked for. One that differs need not be lost: `alpes reconcile` names it."""
        if order.topic:
            self.found[order.why, order.topic] += 1
        elif not (all_lost and order.why in SET_BACK):
            self.gone.append(order.id)

    @property
    def complete(self) -> bool:
        """Whether every order in question can be recovered, or needn't be."""
        return not (self.gone or self.ended or self.wrong or self.not_judged)


def _look(check: Check, scratch: Scratch, client: Client, admin: Admin, ids: Collection[str], grace: float) -> Plan:
    """Judge some orders, or all if none is named."""

    def letters() -> Iterator[OrderLetter]:
        return (letter for letter in messages.letters(client, admin) if not ids or letter.order_id in ids)

    if ids:
        check.read_some(ids)
    else:
        check.read_commands(messages.commands(client, admin))
        check.read_tables()
    check.take_letters(letters())
    check.look_again(grace)
    check.find_dead_lettered()
    check.find_lost(lambda sources: waiting(client, admin, sources), letters)
    plan = Plan(not_judged=check.account.not_judged)
    if ids:
        judged = {order.id: order for orders in scratch.doubtful(*Verdict) for order in orders}
        for order_id in sorted(ids):
            order = judged.get(order_id)
            if order is None:
                plan.others[order_id] = Verdict.ENDED.value
            elif not _may_be_mended(order):
                plan.others[order_id] = f"{order.verdict}: {order.why}"
                if order.verdict == Verdict.DIFFERS:
                    plan.wrong.add(order_id)
    return plan


def _may_be_mended(order: Doubtful) -> bool:
    """Return whether a retained message may take an order further: it is lost, or lacks what a database had before."""
    return order.verdict == Verdict.LOST or (order.verdict == Verdict.DIFFERS and order.why in SET_BACK)


def _show(plan: Plan, limit: int) -> None:
    console = table_console()
    if plan.found:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("lost orders", justify="right")
        table.add_column("how far each came")
        table.add_column("its message lies in")
        for (why, topic), count in sorted(plan.found.items()):
            table.add_row(f"{count:,}", why, topic)
        console.print(table)
    for order_id, what in plan.others.items():
        console.print(f"{escape(order_id)}  {escape(what)}", soft_wrap=True)
    if plan.gone:
        console.print(
            f"[bold red]{len(plan.gone):,} can't be recovered:[/] no topic retains a message of "
            f"{_named(plan.gone, limit)}",
            soft_wrap=True,
        )
    if plan.ended:
        console.print(
            f"[bold red]{len(plan.ended):,} had expired and would be charged now:[/] "
            f"{_named(list(plan.ended), limit)}. To have one charged all the same, name it: alpes recover ID",
            soft_wrap=True,
        )
    if plan.not_judged:
        console.print(
            f"[yellow]Of {plan.not_judged:,} orders it is unknown whether they are lost: too many messages wait.[/] "
            "Ask again when fewer messages wait.",
            soft_wrap=True,
        )
    if not plan.found and not plan.gone:
        console.print("Nothing is lost that could be recovered.")


def _named(ids: list[str], limit: int) -> str:
    more = f" and {len(ids) - limit:,} more" if len(ids) > limit else ""
    return f"{escape(', '.join(ids[:limit]) or 'them')}{more}"


def _finish(plan: Plan, outcome: sending.SendResult, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(_as_json(plan, outcome, dry_run=dry_run), indent=2))
    elif plan.found and dry_run:
        click.echo(f"{plan.found.total():,} messages would be sent again.")
    elif plan.found:
        click.echo(
            f"{outcome.sent.total():,} messages sent again. alpes reconcile --topics shows what becomes of them."
        )
        for reason, count in outcome.failures.most_common():
            click.echo(f"{count:,} not sent: {reason}.")
    if outcome.stopped:
        raise KeyboardInterrupt
    if outcome.failures or not plan.complete:
        sys.exit(1)


def _as_json(plan: Plan, outcome: sending.SendResult, *, dry_run: bool) -> dict[str, Any]:
    return {
        "found": [{"why": why, "topic": topic, "orders": n} for (why, topic), n in sorted(plan.found.items())],
        "sent": dict(outcome.sent),
        "failures": dict(outcome.failures),
        "gone": plan.gone,
        "ended": plan.ended,
        "others": plan.others,
        "not_judged": plan.not_judged,
        "interrupted": outcome.stopped,
        "dry_run": dry_run,
    }
