"""`alpes dlq`: looks at dead letters, sends them again, or discards them."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

import click

from connection.admin import Admin
from connection.client import Client, connected
from operations.dlq import rendering
from operations.dlq.actions import ActionResult
from operations.dlq.actions import discard as discard_letters
from operations.dlq.actions import replay as replay_letters
from operations.dlq.history import ERROR_TYPES
from operations.dlq.letters import DeadLetters, Letter, LetterId
from operations.dlq.log import Log
from operations.dlq.selection import Selection
from operations.dlq.setting_aside import place
from operations.dlq.setting_aside import set_aside as set_entry_aside
from terminal.console import Counting, table_console
from terminal.interrupt import interruptible
from terminal.options import Whole, admin_url_option, json_option, service_url_option, tz_option
from terminal.text import one_line

error_option = click.option(
    "--error",
    "errors",
    multiple=True,
    metavar="TYPE",
    help="Only letters with this error.type, such as early or bug; can be given several times.",
)
topic_option = click.option(
    "--topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help="Only messages that came from this topic, such as crear-orden; can be given several times.",
)


def _with(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group(short_help="Look at dead letters, send them again, or discard them.")
def dlq() -> None:
    """Look at dead letters, send them again, or discard them.

    A message that a function can't process becomes a letter in a dead-letter topic. It waits there until it is replayed
    or discarded. The topic dlq-bitacora logs what was done, by whom and when.

    \b
    Examples:
      alpes dlq list                           how many wait, why, and the first of them
      alpes dlq show crear-orden:0:47:12       one of them: the message and why it failed
      alpes dlq replay --error early           send these to the topics they came from
      alpes dlq discard crear-orden:0:47:12 --reason "sent by a test"
      alpes dlq set-aside crear-orden 47:12    make a letter of an entry that holds up an input
    """  # noqa: D301 - \b is click's mark


@dataclass(frozen=True)
class _Session:
    """What all of these commands use."""

    client: Client
    letters: DeadLetters
    log: Log
    waiting_errors: Counter[str] = field(default_factory=Counter)
    """The letters that wait, by error type, as far as `waiting` has read them, chosen or not."""

    def waiting(self, selection: Selection) -> Iterator[Letter]:
        """Yield the chosen letters that were neither replayed nor discarded."""
        return self._chosen(selection, self.log.dealt_with())

    def _chosen(self, selection: Selection, dealt_with: set[str]) -> Iterator[Letter]:
        self.waiting_errors.clear()
        of_any_error = selection.of_any_error()
        for letter in self.letters:
            if str(letter.id) in dealt_with or not of_any_error.takes(letter):
                continue
            self.waiting_errors[letter.error_type] += 1
            if selection.takes(letter):
                yield letter

    def require_names(self, selection: Selection) -> None:
        """Refuse a topic that has no dead-letter topic, and an error type that no letter ever had.

        Raises
        ------
        click.BadParameter
            If a name is mistyped; the error lists the right ones.
        """
        topics = self.letters.topics
        if unknown := selection.topics - set(topics):
            raise click.BadParameter(
                f"{_listed(unknown)} has no dead-letter topic. Those with one: {_listed(topics)}.", param_hint="--topic"
            )
        unknown = selection.errors - ERROR_TYPES
        # Letters that were replayed or discarded count, too: doing it twice is no mistake.
        if unknown and (unknown := unknown - {letter.error_type for letter in self.letters}):
            raise click.BadParameter(
                f"no letter has the error type {_listed(unknown)}. {self._what_waits()}", param_hint="--error"
            )

    def _what_waits(self) -> str:
        for _ in self.waiting(Selection()):
            pass
        return self._waiting_types()

    def _waiting_types(self) -> str:
        if not self.waiting_errors:
            return "No letters wait."
        types = ", ".join(f"{count:,} {one_line(error)}" for error, count in sorted(self.waiting_errors.items()))
        return f"Those that wait: {types}."

    def tell_if_none_matched(self, selection: Selection) -> None:
        """Say which error types wait, if none of those asked for does."""
        if selection.errors and not selection.errors & self.waiting_errors.keys():
            asked = _listed(selection.errors)
            click.echo(f"No letter that waits has the error type {asked}. {self._waiting_types()}", err=True)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(one_line(name) for name in sorted(names))


@contextmanager
def _session(service_url: str, admin_url: str) -> Iterator[_Session]:
    admin = Admin(admin_url)
    with connected(service_url) as client:
        yield _Session(client, DeadLetters(client, admin), Log(client, admin))


@dlq.command("list")
@click.option(
    "--limit",
    type=Whole(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Name at most this many letters, the oldest of each topic first.",
)
@_with(error_option, topic_option, json_option, tz_option, service_url_option, admin_url_option)
def list_(
    limit: int,
    errors: tuple[str, ...],
    topics: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - click passes it by name
    zone: ZoneInfo,
    service_url: str,
    admin_url: str,
) -> None:
    """Show how many dead letters wait, by topic and reason, and name the first of them.

    With --json, prints all letters, an object on each line.

    \b
    Examples:
      alpes dlq list
      alpes dlq list --topic crear-orden --error bug --limit 100
      alpes dlq list --json | jq -r .id
    """  # noqa: D301 - \b is click's mark
    counts: Counter[tuple[str, str, str]] = Counter()
    first: list[Letter] = []
    selection = Selection(errors=set(errors), topics=set(topics))
    with _session(service_url, admin_url) as session:
        session.require_names(selection)
        for letter in session.waiting(selection):
            if as_json:
                click.echo(json.dumps(rendering.as_json(letter)))
            counts[letter.id.topic, letter.error_type, letter.function] += 1
            if len(first) < limit:
                first.append(letter)
        session.tell_if_none_matched(selection)
    if not as_json:
        rendering.show_list(table_console(), counts, first, zone)


@dlq.command()
@click.argument("letter_id", metavar="ID")
@_with(json_option, tz_option, service_url_option, admin_url_option)
def show(
    letter_id: str,
    as_json: bool,  # noqa: FBT001 - click passes it by name
    zone: ZoneInfo,
    service_url: str,
    admin_url: str,
) -> None:
    """Show one dead letter: its message, why it failed each time, and what was done with it.

    \b
    Examples:
      alpes dlq show crear-orden:0:47:12
      alpes dlq show crear-orden:0:47:12 --json | jq .fields
    """  # noqa: D301 - \b is click's mark
    wanted = LetterId.parse(letter_id)
    with _session(service_url, admin_url) as session:
        letter = session.letters.find(wanted)
        entries = session.log.entries(str(wanted))
    if as_json:
        click.echo(json.dumps(rendering.as_json(letter, entries), indent=2))
    else:
        rendering.show_letter(table_console(), letter, entries, zone)


def _selected(ids: tuple[str, ...], everything: bool, errors: tuple[str, ...], topics: tuple[str, ...]) -> Selection:  # noqa: FBT001
    if bool(ids) == (everything or bool(errors or topics)):
        raise click.UsageError("Say which: either IDs, or --error and --topic, or --all.")
    return Selection({str(LetterId.parse(text)) for text in ids}, set(errors), set(topics))


def _require_found(selection: Selection, session: _Session) -> None:
    """Refuse an id without a letter before anything is done. The letter may have been replayed or discarded."""
    for text in sorted(selection.ids):
        session.letters.find(LetterId.parse(text))


all_option = click.option("--all", "everything", is_flag=True, help="All letters that wait.")


@dlq.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_with(all_option, error_option, topic_option, json_option, service_url_option, admin_url_option)
def replay(
    ids: tuple[str, ...],
    everything: bool,  # noqa: FBT001 - click passes it by name
    errors: tuple[str, ...],
    topics: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - the same
    service_url: str,
    admin_url: str,
) -> None:
    """Send dead letters to the topics they came from, with their keys and properties.

    Replaying is harmless, however often it is done: functions are idempotent. A message that fails again becomes a new
    letter, which says how it failed before. Letters named by ID are sent even if they were replayed or discarded.

    Exits with 0 when all were sent and logged, also when none waited. Exits with 2, having sent none, when no letter
    ever had the error type asked for. Ctrl-C finishes what was begun and leaves the rest as it was.

    \b
    Examples:
      alpes dlq replay crear-orden:0:47:12 crear-orden:0:47:13
      alpes dlq replay --error early --error bug
      alpes dlq replay --all
    """  # noqa: D301 - \b is click's mark
    selection = _selected(ids, everything, errors, topics)
    with interruptible() as stop, _session(service_url, admin_url) as session:
        session.require_names(selection)
        _require_found(selection, session)
        letters = _named(session, selection) if ids else session.waiting(selection)
        with Counting("sent again") as counting:
            outcome = replay_letters(session.client, session.log, letters, stop, counting.show)
        if not outcome.stopped:
            session.tell_if_none_matched(selection)
    _finish(outcome, "sent again", as_json=as_json)


@dlq.command()
@click.argument("ids", metavar="[ID]...", nargs=-1)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept in the log.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_with(all_option, error_option, topic_option, json_option, service_url_option, admin_url_option)
def discard(  # noqa: PLR0913, PLR0917 - a command's options
    ids: tuple[str, ...],
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes it by name
    everything: bool,  # noqa: FBT001 - the same
    errors: tuple[str, ...],
    topics: tuple[str, ...],
    as_json: bool,  # noqa: FBT001 - the same
    service_url: str,
    admin_url: str,
) -> None:
    """Discard dead letters, which then wait no longer. Asks first.

    Nothing is erased. The topic dlq-bitacora keeps each letter whole, with who discarded it, when and why. alpes dlq
    show still shows it by its ID, and alpes dlq replay ID still sends it.

    \b
    Examples:
      alpes dlq discard crear-orden:0:47:12 --reason "sent by a test"
      alpes dlq discard --topic crear-orden --error invalid --yes
    """  # noqa: D301 - \b is click's mark
    selection = _selected(ids, everything, errors, topics)
    with _session(service_url, admin_url) as session:
        session.require_names(selection)
        _require_found(selection, session)
        if not yes:
            number = sum(1 for _ in session.waiting(selection))
            if not number:
                session.tell_if_none_matched(selection)
                click.echo("No letters that wait are chosen.")
                return
            click.confirm(f"Discard {number:,} dead letters?", abort=True, err=True)
        with interruptible() as stop, Counting("discarded") as counting:
            outcome = discard_letters(session.log, session.waiting(selection), reason, stop, counting.show)
        if not outcome.stopped:
            session.tell_if_none_matched(selection)
    _finish(outcome, "discarded", as_json=as_json)


@dlq.command("set-aside")
@click.argument("topic")
@click.argument("message_id", metavar="MESSAGE-ID")
@click.option("--reason", default="no reason given", metavar="TEXT", help="Why; kept in the letter.")
@click.option("--subscription", metavar="NAME", help="The subscription, if several functions read the topic.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_with(service_url_option, admin_url_option)
def set_aside(
    topic: str,
    message_id: str,
    reason: str,
    subscription: str | None,
    yes: bool,  # noqa: FBT001 - click passes it by name
    service_url: str,
    admin_url: str,
) -> None:
    """Make dead letters of an entry that holds up an input. Asks first.

    Functions do this by themselves with what they can't read. This command is for the rest: an entry that makes an
    input SILENT, or that ends its function. Its messages wait as letters, which alpes dlq replay sends again. The
    function is not given the entry any more.

    TOPIC is a function's input, such as crear-orden. MESSAGE-ID is the ledger and the entry, and the partition if there
    are several, as logs write it.

    \b
    Examples:
      alpes dlq set-aside crear-orden 47:12 --reason "ends the function"
      alpes dlq set-aside crear-orden "(47,12,0,-1)" --yes
    """  # noqa: D301 - \b is click's mark
    entry = place(message_id)
    if not yes:
        click.confirm(f"Make entry {entry.ledger}:{entry.entry} of {topic} a dead letter?", abort=True, err=True)
    admin = Admin(admin_url)
    with connected(service_url) as client:
        number = set_entry_aside(client, admin, topic, entry, reason, subscription)
    click.echo(f"Set aside: {number:,} dead letter{'s' if number > 1 else ''} of {topic}. See alpes dlq list.")


def _named(session: _Session, selection: Selection) -> Iterator[Letter]:
    for text in sorted(selection.ids):
        yield session.letters.find(LetterId.parse(text))


def _finish(outcome: ActionResult, what: str, *, as_json: bool) -> None:
    if as_json:
        values = {"done": outcome.done, "unnoted": outcome.unnoted, "failures": dict(outcome.failures)}
        click.echo(json.dumps(values | {"unread": outcome.unread, "interrupted": outcome.stopped}))
    else:
        rendering.show_outcome(table_console(), outcome, what)
    if outcome.stopped:
        raise KeyboardInterrupt
    if not outcome.complete:
        sys.exit(1)
