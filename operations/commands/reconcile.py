"""`alpes reconcile`: whether every accepted order has ended, is on its way, or is accounted for."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import click

from connection.admin import Admin
from connection.client import connected
from connection.errors import PulsarError
from operations.database import dsn_variable
from operations.options import statement_timeout_option
from operations.reconcile import messages, rendering
from operations.reconcile.check import Account, Check
from operations.reconcile.rules import DOWNSTREAM, Verdict
from operations.reconcile.scratch import Scratch
from operations.reconcile.stalled import stalled, subscription
from operations.reconcile.tables import Tables
from operations.reconcile.waiting import waiting
from schemas.tienda.topics import SERVICES
from terminal.advice import ALPES, explained
from terminal.console import Counting, table_console
from terminal.errors import CommandError, OutputError
from terminal.interrupt import interruptible
from terminal.options import Positive, Whole, admin_url_option, json_option, service_url_option
from terminal.output import OutputFile, writing

COULD_NOT_READ = 2
"""The exit code if something that the check needs could not be read."""


@click.command()
@click.option(
    "--topics",
    is_flag=True,
    help="Read the whole topic crear-orden, too: an order that was accepted and is in no table is only there.",
)
@click.option(
    "--grace",
    type=Positive(zero=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an order may differ before it counts: the databases are read one after the other.",
)
@click.option(
    "--limit",
    type=Whole(0),
    default=20,
    show_default=True,
    metavar="N",
    help="Name at most this many of the orders that differ or are lost.",
)
@click.option(
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Write every order that has not ended to this file, as CSV: its verdict, and its rows.",
)
@statement_timeout_option
@json_option
@service_url_option
@admin_url_option
def reconcile(
    topics: bool,  # noqa: FBT001 - click passes it by name
    grace: float,
    limit: int,
    output: Path | None,
    statement_timeout: int,
    as_json: bool,  # noqa: FBT001 - the same
    service_url: str,
    admin_url: str,
) -> None:
    """Check that no order is lost and none differs between the services.

    Reads the tables of all three services, dead letters, and what waits in the topics, while the system runs, and
    changes nothing. It knows the databases of the local stack; those of a cluster are named by ALPES_ORDENES_DSN,
    ALPES_PAGOS_DSN and ALPES_REPORTING_DSN. A role that may only read is enough.

    \b
    ended          a final status, the same in all services, and charged accordingly
    in flight      a message or a timer waits that takes it further
    dead-lettered  that message lies in a dead-letter topic; see alpes dlq
    discarded      that message was discarded as a dead letter
    stalled        that message waits in an input that delivers nothing
    differs        the services contradict each other
    lost           not ended, and nothing waits that would take it further

    Reporting's running totals are compared with a full count of its rows, and those that differ are named.

    An order that was accepted and is in no table is seen only with --topics. Without it, the result says that the
    topics were not read.

    An order in flight is lost if nothing waits that takes it further, whatever other orders do meanwhile. If not all
    that waits can be read, the result says of how many orders this is unknown.

    Exits with 0 when nothing differs, no total either, nothing stalls and nothing is known to be lost, with 1
    otherwise, and with 2 when it could not read what it needs.

    \b
    Examples:
      alpes reconcile
      alpes reconcile --topics --output open.csv
      alpes reconcile --json | jq .lost
    """  # noqa: D301 - \b is click's mark
    started = time.monotonic()
    dsns = {service: os.environ.get(dsn_variable(service)) for service in SERVICES}
    admin = Admin(admin_url)
    with (
        _reading(),
        interruptible() as stop,
        Tables.opened(dsns, statement_timeout_s=statement_timeout) as tables,
        connected(service_url) as client,
        Scratch() as scratch,
    ):
        with Counting("orders read") as counting:
            check = Check(tables, scratch, stop, counting.show)
            if topics:
                check.read_commands(messages.commands(client, admin))
            check.read_tables()
            check.take_letters(messages.letters(client, admin))
            check.look_again(grace)
            check.find_dead_lettered()
            check.find_lost(lambda sources: waiting(client, admin, sources), lambda: messages.letters(client, admin))
            inputs = {source.topic: source for source in DOWNSTREAM}
            check.find_stalled(stalled(client, admin), lambda topic: subscription(admin, inputs[topic]))
        if stop.is_set():
            raise KeyboardInterrupt
        account = check.close(time.monotonic() - started)
        examples = list(islice(rendering.named(tables, scratch, *rendering.BAD), limit))
        if output is not None:
            _write(output, tables, scratch)
    _print(account, examples, as_json=as_json)
    if not account.holds:
        sys.exit(1)


@contextmanager
def _reading() -> Iterator[None]:
    """Exit with `COULD_NOT_READ` after every error of reading: 1 says that an order is lost, or differs."""
    try:
        yield
    except OutputError:
        raise
    except PulsarError as error:
        told = explained(error, ALPES)
        told.exit_code = COULD_NOT_READ
        raise told from error
    except CommandError as error:
        error.exit_code = COULD_NOT_READ
        raise


def _write(output: Path, tables: Tables, scratch: Scratch) -> None:
    with writing(output) as binary:
        file = io.TextIOWrapper(binary, encoding="utf-8", newline="")
        number = rendering.write_csv(file, rendering.named(tables, scratch, *Verdict))
        file.detach()
    click.echo(f"Wrote {number:,} orders to {output}.", err=True)


def _print(account: Account, examples: list[rendering.Named], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(rendering.as_json(account, examples), indent=2))
    else:
        rendering.show(table_console(), account, examples)
