"""`alpes send`: sends orders, made up or from a file, and follows them to their end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO
from zoneinfo import ZoneInfo

import click
from click.core import ParameterSource

from client import journal, order_files, plan
from client.errors import JournalError, OrderFileError
from client.ledger import UNSENT, Ran
from client.options import MixType, RampType, pace_of, require_sense
from client.orders import random_seed
from client.plan import Plan
from client.rendering import show_run
from client.run import run
from schemas.tienda.upcasters import NEWEST
from terminal.command_line import Command
from terminal.console import table_console
from terminal.errors import FAILED
from terminal.options import Duration, Positive, Whole, json_option, service_url_option, tz_option
from terminal.output import STANDARD_OUTPUT, OutputFile, writing

MOST_ORDERS = 2_000_000


@click.command(
    cls=Command,
    sections={
        "Which orders": ("orders", "seed", "mix", "from_file", "skip_bad_lines", "schema_version"),
        "How fast (without any of these: as fast as Pulsar takes them)": ("rate", "ramp", "burst", "every", "length_s"),
        "To their end": ("follow", "timeout", "resume"),
    },
)
@click.option(
    "--orders",
    type=Whole(1, MOST_ORDERS),
    default=100,
    show_default=True,
    metavar="N",
    help=f"How many to send, at most {MOST_ORDERS:,}: memory holds each of them to the end.",
)
@click.option(
    "--seed",
    type=Whole(0, 2**64 - 1),
    metavar="S",
    help="Make the run repeatable: the same seed gives the same orders, ids included. A second run with it sends "
    "duplicates, which change nothing, and says so. Without it, every order is new.",
)
@click.option(
    "--mix",
    type=MixType(),
    metavar="KINDS",
    help="For a drill: how often each kind comes, such as valid=90,duplicate=5,bad=5. A duplicate is an earlier order "
    "again; a conflict has an earlier id and another amount; a bad one breaks a rule. The summary says how many of "
    "each ended as they should. Conflicts and bad ones leave dead letters. Not with --resume, since a drill's repeats "
    "are judged beside what they repeat, in one run; and not with --from-file, whose lines are sent as they are.",
)
@click.option(
    "--from-file",
    metavar="FILE",
    help="Send the orders of this file: NDJSON, or CSV with the fields' names in its first line. - is standard input. "
    "Names are those of the message: id, client_id, address, total_cents, currency and so on; each order needs an id. "
    "If a line can't be sent, none is.",
)
@click.option("--skip-bad-lines", is_flag=True, help="With --from-file: leave out, and name, lines that can't be sent.")
@click.option(
    "--schema-version",
    type=Whole(1, NEWEST),
    default=NEWEST,
    show_default=True,
    metavar="V",
    help="Version of the messages. An older one is for a system that is still to be updated; it changes no order's id "
    "and no line of its address.",
)
@click.option("--rate", type=Positive(), metavar="R", help="So many orders per second.")
@click.option(
    "--ramp", type=RampType(), metavar="A:B", help="From A orders per second to B, evenly, in the time of --for."
)
@click.option("--burst", type=Whole(1, MOST_ORDERS), metavar="N", help="N orders at once, each --every.")
@click.option("--every", type=Duration(), metavar="TIME", help="From one burst's start to the next one's, such as 10s.")
@click.option(
    "--for",
    "length_s",
    type=Duration(),
    metavar="TIME",
    help="Send for this long, such as 60s, 5m or 1h, in place of --orders.",
)
@click.option(
    "--follow/--no-follow",
    default=True,
    show_default=True,
    help="Wait until each order has ended, or only until Pulsar has them all.",
)
@click.option(
    "--timeout",
    type=Positive(),
    default=120.0,
    show_default=True,
    metavar="SECONDS",
    help="Stop following when no order has ended for this long.",
)
@click.option(
    "--resume",
    type=OutputFile(),
    metavar="FILE",
    help="Note in this file what is sent and what has ended. If the file is there, continue its run: what it doesn't "
    "know as ended is sent, with the same ids.",
)
@json_option
@click.option("--summary-json", type=OutputFile(), metavar="FILE", help="Write the summary to this file, as JSON, too.")
@tz_option
@service_url_option
@click.pass_context
def send(  # noqa: PLR0913, PLR0917 - click passes options by name
    ctx: click.Context,
    /,
    orders: int,
    seed: int | None,
    mix: dict[str, int] | None,
    from_file: str | None,
    skip_bad_lines: bool,  # noqa: FBT001 - the same
    schema_version: int,
    length_s: float | None,
    follow: bool,  # noqa: FBT001 - the same
    timeout: float,
    resume: Path | None,
    as_json: bool,  # noqa: FBT001 - the same
    summary_json: Path | None,
    zone: ZoneInfo,
    service_url: str,
    **_of_the_pace: Any,
) -> int:
    """Send orders, made up or from a file, and follow them to their end.

    Prints how the orders ended, how many ended per second, and how long one took. Exits with 0
    only when every order is accounted for: it has a final status, or lies in a dead-letter topic.
    After Ctrl-C, prints what was sent and what has ended by then.

    \b
    Examples:
      alpes send                                     100 orders
      alpes send --orders 20000                      as fast as they go
      alpes send --rate 10 --for 1m                  ten a second, for a minute
      alpes send --ramp 10:200 --for 60s             from 10 to 200 a second
      alpes send --burst 500 --every 10s --for 1m    500 at once, six times
      alpes send --seed 7                            the same 100 orders each time
      alpes send --orders 50000 --resume run.alpes   again after an interruption: goes on
      alpes send --from-file orders.csv
      alpes send --mix valid=90,duplicate=5,bad=5
    """  # noqa: D301 - \b is click's mark
    given = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    of_file = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.DEFAULT_MAP}
    read_once = from_file is not None and order_files.is_read_once(from_file)
    require_sense(given, of_file, read_once=read_once)
    pace = pace_of(ctx.params, given)
    if pace is not None and length_s is not None and "orders" not in given:
        orders = _bounded(pace.within(length_s))
    wanted = Plan(orders, random_seed() if seed is None else seed, schema_version)
    with ExitStack() as held:
        noted = None
        if resume is not None and journal.exists(resume):
            noted = held.enter_context(journal.Journal(resume))
            wanted = _continued(plan.from_json(noted.plan, resume), wanted, given, from_file, resume)
            from_file = wanted.file
        file = held.enter_context(order_files.opened(from_file, 2 * MOST_ORDERS)) if from_file else None
        if file is not None and from_file:
            wanted = _of_file(file, from_file, wanted if noted else None, skip_bad_lines=skip_bad_lines)
        if resume is not None and noted is None:
            noted = held.enter_context(journal.Journal(resume, wanted.as_json()))
        done = noted.done_for(follow=follow) if noted else set()
        ran = run(
            service_url,
            plan.remaining(wanted.messages(file, mix), done),
            wanted.orders - len(done),
            pace,
            follow_s=timeout if follow else None,
            journal=noted,
        )
    _show(ran, wanted, len(done), follow=follow, as_json=as_json, file=summary_json, zone=zone)
    if ran.interrupted:
        if resume is not None:
            click.echo(f"Continue with: alpes send --resume {shlex.quote(str(resume))}", err=True)
        raise KeyboardInterrupt
    return 0 if _as_it_should(ran, follow=follow) else FAILED


def _bounded(orders: int) -> int:
    if orders > MOST_ORDERS:
        raise click.UsageError(f"that would be {orders:,} orders, and one run sends at most {MOST_ORDERS:,}")
    return orders


def _continued(noted: Plan, wanted: Plan, given: Collection[str], from_file: str | None, path: Path) -> Plan:
    """Return the plan of the run to continue. What the command line says otherwise about it is an error."""
    begun = {
        "orders": noted.orders,
        "seed": noted.seed,
        "schema_version": noted.schema_version,
        "from_file": noted.file,
    }
    asked = {
        "orders": wanted.orders,
        "length_s": wanted.orders,
        "seed": wanted.seed,
        "schema_version": wanted.schema_version,
        "from_file": from_file and str(Path(from_file).absolute()),
    }
    for name in set(given) & set(asked):
        if asked[name] != begun["orders" if name == "length_s" else name]:
            what = f"the orders of {noted.file}" if noted.file else f"{noted.orders:,} orders of the seed {noted.seed}"
            raise JournalError(
                f"{path} is of a run that sends {what}, and other options say otherwise: leave them out to continue it,"
                " or name another file."
            )
    return noted


def _of_file(file: BinaryIO, name: str, noted: Plan | None, *, skip_bad_lines: bool) -> Plan:
    """Check a file's lines, and return the plan to send them."""
    found = order_files.survey(file, MOST_ORDERS)
    shown = "standard input" if name == order_files.STANDARD_INPUT else name
    if noted is not None and noted.sha256 != found.sha256:
        raise JournalError(f"{name} has changed since its run began, so the run can't be continued.")
    for line in found.first_bad if noted is None else ():
        click.echo(f"{shown}, {line.told()}", err=True)
    if found.bad and not skip_bad_lines and noted is None:
        raise OrderFileError(
            f"{found.bad:,} of the {found.bad + found.orders:,} lines of {shown} can't be sent, so none was: mend them,"
            " or leave them out with --skip-bad-lines."
        )
    if found.bad and noted is None:
        click.echo(f"{shown}: {found.bad:,} of {found.bad + found.orders:,} lines are left out.", err=True)
    if not found.orders:
        raise OrderFileError(f"{shown} has no order that can be sent.")
    where = name if name == order_files.STANDARD_INPUT else str(Path(name).absolute())
    return Plan(_bounded(found.orders), file=where, sha256=found.sha256, skipped=found.bad)


def _as_it_should(ran: Ran, *, follow: bool) -> bool:
    if ran.summary.outcomes[UNSENT]:
        return False
    return not follow or (ran.complete and ran.summary.missing == 0 and ran.summary.surprises == 0)


def _show(
    ran: Ran, planned: Plan, before: int, *, follow: bool, as_json: bool, file: Path | None, zone: ZoneInfo
) -> None:
    content = ran.summary.as_json(zone) | {
        "confirmed": ran.confirmed,
        "followed": follow,
        "interrupted": ran.interrupted,
        "ended_before": before,
        **({"file": planned.file, "skipped_lines": planned.skipped} if planned.file else {"seed": planned.seed}),
    }
    text = json.dumps(content, indent=2).encode() + b"\n"
    if file is not None:
        with writing(file) as summary_file:
            summary_file.write(text)
    if as_json:
        with writing(STANDARD_OUTPUT) as out:
            out.write(text)
    else:
        show_run(table_console(), ran, planned.orders, before, follow=follow, zone=zone)
