"""Shows dead letters in the terminal, and as JSON."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alpes_wire.names import ATTEMPT, ERROR_MESSAGE, OMITTED, SOURCE_MESSAGE_ID
from operations.dlq import decoding, history
from operations.dlq.actions import ActionResult
from operations.dlq.letters import Letter
from operations.dlq.log import Entry
from terminal.text import converted, one_line, printable, second

SHOWN_CHARS = 200
"""How much of a property's value is shown; --json has all of it."""

MAX_KEY_CHARS = 128
"""How much of a key the list shows: as much as the longest order id."""

Counts = Counter[tuple[str, str, str]]
"""Letters by topic, error type and function."""


def show_list(console: Console, counts: Counts, letters: list[Letter], zone: ZoneInfo) -> None:
    """Print how many letters wait and why, and some of them."""
    total = counts.total()
    if not total:
        console.print("No dead letters wait.")
        return
    table = _table("topic", "error", "function", letters="right")
    for (topic, error, function), count in sorted(counts.items()):
        table.add_row(*(escape(one_line(text)) for text in (topic, error, function)), f"{count:,}")
    table.add_section()
    table.add_row("all", "", "", f"{total:,}", style="bold")
    console.print(table)
    if not letters:
        return
    console.print()
    rows = _table("id", f"since ({zone.key})", "error", "key", "why")
    for letter in letters:
        cells = (
            letter.id,
            second(letter.published_ms, zone),
            letter.error_type,
            _cut(letter.key, MAX_KEY_CHARS),
            _last_line(letter),
        )
        rows.add_row(*(escape(one_line(str(cell))) for cell in cells))
    console.print(rows)
    if total > len(letters):
        console.print(f"… and {total - len(letters):,} more; --limit shows more of them, --json all.", style="dim")


def show_letter(console: Console, letter: Letter, entries: list[Entry], zone: ZoneInfo) -> None:
    """Print all that is known of a letter."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    described = as_json(letter) | {"since": second(letter.published_ms, zone), "zone": zone.key}
    for name in ("id", "topic", "key", "since", "zone", "error", "function", "attempt", "source_message_id"):
        table.add_row(name.replace("_", " "), escape(one_line(str(described[name]))))
    for entry in entries:
        why = f": {entry.reason}" if entry.reason else ""
        table.add_row(entry.action, escape(one_line(f"{converted(entry.at, zone)} by {entry.by}{why}")))
    console.print(table)
    console.print("\n[bold]why[/]", escape(printable(letter.error_message)), sep="\n", soft_wrap=True)
    for replay in history.history(letter.properties):
        values = replay.values
        what = f"failed before as {values.get('error.type', '?')} in {values.get('error.function', '?')}"
        when = f"sent again {converted(values.get('at', '?'), zone)} by {values.get('by', '?')}"
        told = one_line(f"{what}; {when}, from letter {values.get('letter', '?')}")
        console.print(f"\n[bold]replay {replay.number}[/]", escape(told), soft_wrap=True)
        console.print(escape(printable(values.get(ERROR_MESSAGE, ""))), soft_wrap=True)
    if own := history.own(letter.properties):
        console.print(
            "\n[bold]its properties[/]",
            escape(printable(_text({name: _cut(value) for name, value in own.items()}))),
            sep="\n",
            soft_wrap=True,
        )
    console.print("\n[bold]message[/]", escape(printable(_content(letter))), sep="\n", soft_wrap=True)


def show_outcome(console: Console, outcome: ActionResult, what: str) -> None:
    """Print what became of the chosen letters, and what to do about the rest."""
    console.print(f"{outcome.done:,} letters {what}.")
    if outcome.unnoted:
        console.print(
            f"[bold red]{outcome.unnoted:,} more were {what}, but could not be logged:[/] they still show as waiting, "
            "and sending them once more does no harm.",
            soft_wrap=True,
        )
    for reason, count in outcome.failures.most_common():
        example = outcome.examples[reason]
        console.print(
            f"[bold red]{count:,} not {what}:[/] {escape(one_line(reason))}, such as {example}", soft_wrap=True
        )
    if outcome.unread:
        console.print(
            f"[bold red]The rest could not be read:[/] {escape(one_line(outcome.unread))} Run the command again.",
            soft_wrap=True,
        )


def as_json(letter: Letter, entries: list[Entry] | None = None) -> dict[str, Any]:
    """Return a letter as a JSON object."""
    described: dict[str, Any] = {
        "id": str(letter.id),
        "topic": letter.id.topic,
        "key": letter.key,
        "since": _utc(letter.published_ms),
        "error": letter.error_type,
        "message": letter.error_message,
        "function": letter.function,
        "attempt": letter.properties.get(ATTEMPT, "1"),
        "source_message_id": letter.properties.get(SOURCE_MESSAGE_ID, ""),
        "payload_omitted": letter.payload_omitted,
        "properties": history.own(letter.properties),
        "history": [{"number": replay.number, **replay.values} for replay in history.history(letter.properties)],
        "fields": decoding.fields(letter.id.topic, letter.payload),
    }
    if entries is not None:
        described |= {"payload": letter.payload.hex(), "dealt_with": [entry._asdict() for entry in entries]}
    return described


def _utc(milliseconds: int) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        # A publisher can set any time.
        return str(milliseconds)


def _content(letter: Letter) -> str:
    if letter.payload_omitted:
        size = letter.properties[OMITTED]
        return f"{size} bytes, too many for the letter; a replay takes them from {letter.id.topic}"
    if not letter.payload:
        return "(empty)"
    values = decoding.fields(letter.id.topic, letter.payload)
    return decoding.hexadecimal(letter.payload) if values is None else _text(values)


def _cut(value: str, most: int = SHOWN_CHARS) -> str:
    return value if len(value) <= most else f"{value[:most]}… ({len(value):,} characters in all)"


def _text(values: Any) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False)


def _last_line(letter: Letter) -> str:
    # The last line of a traceback names the error.
    lines = letter.error_message.strip().splitlines()
    return lines[-1][:200] if lines else ""


def _table(*columns: str, **right: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=True, overflow="ignore" if column == "id" else "ellipsis")
    for column in right:
        table.add_column(column, justify="right")
    return table
