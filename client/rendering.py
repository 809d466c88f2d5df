"""Shows a run in the terminal: the progress while it lasts, and how it went."""

from __future__ import annotations

from typing import Self
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from client.ledger import DEAD_LETTERED, UNACCOUNTED, UNSENT, Ran, RunSummary
from schemas.tienda.orden import APROBADA, RECHAZADA
from terminal.text import moment

OUTCOME_STYLES = {APROBADA: "green", RECHAZADA: "yellow"}
OUTCOME_STYLES |= dict.fromkeys((DEAD_LETTERED, UNSENT, UNACCOUNTED), "bold red")
OUTCOME_NAMES = {DEAD_LETTERED: "dead-lettered"}


class RunProgress:
    """Two bars, orders sent and orders finished; on a terminal only.

    Parameters
    ----------
    console
        Where to draw.
    total
        How many orders there will be.
    follow
        Whether orders are followed; if not, only the first bar is shown.
    """

    def __init__(self, console: Console, total: int, *, follow: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(),
            MofNCompleteColumn(),
            TaskProgressColumn(show_speed=False),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._sent = self._progress.add_task("sent", total=total)
        self._finished = self._progress.add_task("finished", total=total) if follow else None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, sent: int, finished: int) -> None:
        """Move the bars."""
        self._progress.update(self._sent, completed=sent)
        if self._finished is not None:
            self._progress.update(self._finished, completed=finished)


def show_run(console: Console, ran: Ran, planned: int, before: int, *, follow: bool, zone: ZoneInfo) -> None:
    """Print what came of a run.

    Parameters
    ----------
    console
        Where to.
    ran
        The run.
    planned
        How many messages all of the run has.
    before
        How many of them were done before this run continued it.
    follow
        Whether the messages were followed to their end.
    zone
        Where times are shown.
    """
    summary = ran.summary
    if before == planned:
        console.print(f"All {planned:,} orders of this run were done before. Nothing was sent.")
        return
    if before:
        console.print(
            f"Of {planned:,} orders, {before:,} were done before; this run sent what was left.", soft_wrap=True
        )
    if ran.interrupted:
        ended = f", and {summary.ended:,} have ended" if follow else ""
        console.print(
            f"Interrupted: {summary.messages:,} of {planned - before:,} were sent, Pulsar has confirmed"
            f" {ran.confirmed:,}{ended}.",
            soft_wrap=True,
        )
    if follow:
        show_summary(console, summary, zone, interrupted=ran.interrupted)
        return
    console.print(f"Pulsar has {ran.confirmed:,} of {summary.messages:,} orders. They were not followed.")
    for reason, count in summary.send_errors.items():
        console.print(
            f"[bold red]{count:,} were not confirmed by Pulsar, but may have arrived:[/] {escape(reason)}",
            soft_wrap=True,
        )


def show_summary(console: Console, summary: RunSummary, zone: ZoneInfo, *, interrupted: bool = False) -> None:
    """Print how the orders of a run ended, when and how fast, and what needs attention.

    Parameters
    ----------
    console
        Where to.
    summary
        How the run went.
    zone
        Where times are shown.
    interrupted
        Whether the run was told to stop: that some orders have no end yet is then no cause for alarm.
    """
    names = OUTCOME_NAMES | ({UNACCOUNTED: "not ended yet"} if interrupted else {})
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("outcome")
    table.add_column("orders", justify="right")
    for outcome, count in summary.outcomes.items():
        expected = (summary.drill and outcome == DEAD_LETTERED) or (interrupted and outcome == UNACCOUNTED)
        style = "dim" if not count else "" if expected else OUTCOME_STYLES.get(outcome, "")
        table.add_row(names.get(outcome, outcome), f"{count:,}", style=style)
    table.add_section()
    table.add_row("all", f"{summary.orders:,}", style="bold")
    console.print(table)
    if summary.drill:
        _show_drill(console, summary)
    if summary.existed:
        console.print(_existed(summary), soft_wrap=True)
    if summary.started_at_ns is not None and summary.last_finished_at_ns is not None:
        first, last = (moment(at // 1_000_000, zone) for at in (summary.started_at_ns, summary.last_finished_at_ns))
        console.print(f"time        {first} to {last}, {zone.key}", soft_wrap=True)
    if summary.orders_per_second is not None:
        console.print(
            f"throughput  {summary.orders_per_second:,.1f} orders/s, from the first sent to the last end",
            soft_wrap=True,
        )
    if summary.latency_ms is not None:
        values = "   ".join(f"{name} {value:,.1f} ms" for name, value in summary.latency_ms.items())
        console.print(f"latency     {values}, from an order's sending to its end", soft_wrap=True)
    _show_attention(console, summary, interrupted=interrupted)


def _existed(summary: RunSummary) -> str:
    which = "All" if summary.existed == summary.orders else f"{summary.existed:,} of"
    return f"{which} {summary.orders:,} orders existed already, and sending them again changed nothing."


def _show_drill(console: Console, summary: RunSummary) -> None:
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("sent as")
    table.add_column("messages", justify="right")
    table.add_column("ended as expected", justify="right")
    for kind, (sent, as_expected) in summary.drill.items():
        table.add_row(kind, f"{sent:,}", f"{as_expected:,}", style="green" if sent == as_expected else "bold red")
    console.print(table)
    console.print()


def _show_attention(console: Console, summary: RunSummary, *, interrupted: bool) -> None:
    # In a drill, dead letters are wanted. The table says how many did not come, or came unasked.
    if summary.dead_letter_reasons and not summary.drill:
        _warn(
            console, f"{sum(summary.dead_letter_reasons.values()):,} ORDERS DEAD-LETTERED", summary.dead_letter_reasons
        )
    if summary.send_errors:
        count = sum(summary.send_errors.values())
        _warn(console, f"{count:,} orders were not confirmed by Pulsar, nor seen since", summary.send_errors)
    if summary.unconfirmed:
        why = ", ".join(summary.unconfirmed)
        console.print(
            f"{sum(summary.unconfirmed.values()):,} orders ended though Pulsar did not confirm them ({escape(why)}).",
            soft_wrap=True,
        )
    if (count := summary.outcomes[UNACCOUNTED]) and not interrupted:
        _warn(console, f"{count:,} orders unaccounted for, such as {summary.examples[UNACCOUNTED]}", {})


def _warn(console: Console, what: str, reasons: dict[str, int]) -> None:
    why = ", ".join(f"{reason} ×{count:,}" for reason, count in reasons.items())
    console.print(f"[bold red]{escape(what)}[/]{escape(': ' + why if why else '')}", soft_wrap=True)
