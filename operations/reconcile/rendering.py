"""Shows what a check found: in the terminal, as JSON, and every order that has not ended as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from operations.reconcile.check import Account
from operations.reconcile.merge import OrdenRow, PagoRow, ReportingRow, Rows
from operations.reconcile.rules import Verdict
from operations.reconcile.scratch import Doubtful, Scratch
from operations.reconcile.stalled import SILENT_AFTER_S, Stall, Subscription
from operations.reconcile.tables import Tables, WrongTotal
from operations.reconcile.unacknowledged import MOST_READ
from schemas.tienda.money import amount, total
from schemas.tienda.topics import NAMESPACE
from terminal.text import one_line

STYLES = {
    Verdict.DIFFERS: "bold red",
    Verdict.LOST: "bold red",
    Verdict.STALLED: "bold red",
    Verdict.DEAD_LETTERED: "yellow",
    Verdict.DISCARDED: "yellow",
}
TOPICS_NOT_READ = (
    "The topics were not read: an order that was accepted and is in no table would not be seen; --topics reads them."
)
BAD = (Verdict.LOST, Verdict.DIFFERS, Verdict.STALLED)
Named = tuple[Doubtful, Rows | None]


def named(tables: Tables, scratch: Scratch, *verdicts: Verdict) -> Iterator[Named]:
    """Yield the orders of some verdicts with their rows."""
    for chunk in scratch.doubtful(*verdicts):
        rows = {found.id: found for found in tables.some([order.id for order in chunk])}
        for order in chunk:
            yield order, rows.get(order.id)


def show(console: Console, account: Account, examples: list[Named]) -> None:
    """Print the account, and some of the orders that are not as they should be."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("orders")
    table.add_column("", justify="right")
    table.add_column("")
    for verdict in Verdict:
        count = account.count(verdict)
        style = STYLES.get(verdict, "") if count else "dim"
        table.add_row(verdict, f"{count:,}", _ended(account) if verdict is Verdict.ENDED else "", style=style)
        for (name, why), number in sorted(account.others.items()):
            if name == verdict:
                table.add_row("", "", f"{number:,} {why}", style=style)
    table.add_section()
    commands = "" if account.commands is None else f"of them {account.commands:,} by the topic crear-orden"
    table.add_row("accepted", f"{account.accepted:,}", commands, style="bold")
    console.print(table)
    if account.refused_messages:
        console.print(f"{account.refused_messages:,} dead letters belong to no order; see alpes dlq list.")
    if examples:
        console.print()
        console.print(_table(examples))
    _show_more(console, account)
    console.print(f"{_result(account)} It took {account.seconds:.1f} s.", style="" if account.holds else "bold red")


def _show_more(console: Console, account: Account) -> None:
    """Print what is to be said beside the orders, and what to do."""
    if account.not_judged:
        console.print(_not_judged(account), style="yellow")
    for topic, stall in account.stalled.items():
        console.print(_stalled(topic, stall), style="bold red", highlight=False, markup=False)
    for each in account.wrong_totals:
        console.print(_wrong_total(each), style="bold red", highlight=False, markup=False)
    if account.wrong_totals:
        console.print("alpes rebuild reporting counts the totals anew.")
    if account.commands is None:
        console.print(TOPICS_NOT_READ)
    if account.count(Verdict.LOST):
        console.print("alpes recover sends the messages of lost orders again, if a topic still retains them.")


def _result(account: Account) -> str:
    if not account.holds:
        return "NOT AS IT SHOULD BE."
    if account.not_judged:
        return "Nothing differs, and nothing is known to be lost."
    if account.commands is None:
        return "Of the orders in the tables nothing is lost and nothing differs."
    return "Nothing is lost and nothing differs."


def _stalled(topic: str, stall: Stall) -> str:
    start = f" from {stall.place} on" if stall.place else ", which the broker withholds"
    advice = (
        f" To make a dead letter of what holds the input up: alpes dlq set-aside {topic} {stall.place}"
        if stall.place
        else f" To have it begin anew: pulsar-admin topics unload persistent://{NAMESPACE}/{topic}"
    )
    return (
        f"Messages wait in {topic}{start}, and none has come for {SILENT_AFTER_S} s, though an instance takes more. "
        f"{_why(stall.subscription)}{advice}"
    )


def _why(known: Subscription) -> str:
    said = [f"{known.waiting:,} not acknowledged, {known.delayed:,} of them delayed by their senders"]
    said += [f"the consumer {one_line(each.name)} at {each.address} holds {each.messages:,}" for each in known.holders]
    if known.blocked:
        said.append("it delivers nothing more, because too many are not acknowledged")
    elif not known.holders:
        said.append("no consumer holds any")
    return f"The broker says: {'; '.join(said)}."


def _wrong_total(each: WrongTotal) -> str:
    return (
        f"Reporting's totals say {each.orders:,} {each.status} orders of {amount(each.total_cents, each.currency)}, "
        f"its rows are {each.counted_orders:,} orders of {amount(each.counted_cents, each.currency)}."
    )


def _not_judged(account: Account) -> str:
    return (
        f"Of {account.not_judged:,} orders in flight it is unknown whether they are lost: not all that waits in "
        f"{', '.join(sorted(account.unread))} was read, but at most {MOST_READ:,} messages of each topic. "
        "Ask again when fewer wait."
    )


def as_json(account: Account, examples: list[Named]) -> dict[str, Any]:
    """Return the account as a JSON object."""
    return {
        "holds": account.holds,
        "accepted": account.accepted,
        "topics_read": account.commands is not None,
        "commands": account.commands,
        "ended": {
            status: {"orders": count, "amounts": _amounts(account, status)}
            for status, count in sorted(account.ended.items())
        },
        **{
            verdict.replace(" ", "_").replace("-", "_"): {
                why: count for (name, why), count in sorted(account.others.items()) if name == verdict
            }
            for verdict in Verdict
            if verdict is not Verdict.ENDED
        },
        "stalled_inputs": {topic: _stall(stall) for topic, stall in account.stalled.items()},
        "wrong_totals": [each._asdict() for each in account.wrong_totals],
        "not_judged": {"orders": account.not_judged, "topics": sorted(account.unread) if account.not_judged else []},
        "refused_messages": account.refused_messages,
        "examples": [dict(zip(HEADER, _cells(*example), strict=True)) for example in examples],
        "seconds": round(account.seconds, 3),
    }


def _amounts(account: Account, status: str) -> dict[str, Any]:
    return {
        currency: {"total_cents": cents, "total": total(cents, currency)}
        for (name, currency), cents in sorted(account.cents.items())
        if name == status
    }


def _stall(stall: Stall) -> dict[str, Any]:
    known = stall.subscription
    return {
        "message": stall.place or None,
        "waiting": known.waiting,
        "delayed": known.delayed,
        "blocked": known.blocked,
        "consumers": [each._asdict() for each in known.holders],
    }


HEADER = ("id", "verdict", "why", "ordenes", "pagos", "reporting")


def write_csv(file: TextIO, orders: Iterator[Named]) -> int:
    """Write orders as CSV; return how many."""
    writer = csv.writer(file)
    writer.writerow(HEADER)
    number = 0
    for order in orders:
        writer.writerow(_cells(*order))
        number += 1
    return number


def _cells(order: Doubtful, rows: Rows | None) -> tuple[str, ...]:
    shown = [""] * 3 if rows is None else [_orden(rows.orden), _pago(rows.pago), _orden(rows.reporting)]
    return (order.id, order.verdict, order.why, *shown)


def _orden(row: OrdenRow | ReportingRow | None) -> str:
    if row is None:
        return ""
    _id, status, version, cents, currency, client_id, *transaction = row
    return _words(f"{status} v{version} {amount(cents, currency)} of client {client_id}", *transaction)


def _pago(row: PagoRow | None) -> str:
    if row is None:
        return ""
    _id, status, cents, currency, transaction = row
    return _words(f"{status} {amount(cents, currency)}", transaction)


def _words(what: str, transaction: object = "") -> str:
    return f"{what} by {transaction}" if transaction else what


def _table(examples: list[Named]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in HEADER:
        table.add_column(name, no_wrap=name == "id", overflow="fold")
    for example in examples:
        table.add_row(*(escape(one_line(cell)) for cell in _cells(*example)))
    return table


def _ended(account: Account) -> str:
    return ", ".join(f"{count:,} {status}" for status, count in account.ended.most_common())
