"""The command `alpes`: puts the subcommands together."""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from client.stack import use_local_stack
from terminal.advice import ALPES
from terminal.command_line import Group, Lazy

EVERY_DAY, MENDING = "Every day", "When something went wrong"
COMMANDS = {
    "send": Lazy("client.commands", EVERY_DAY, "Send orders, made up or from a file, and follow them to their end."),
    "show": Lazy("operations.commands", EVERY_DAY, "Show one order's status."),
    "report": Lazy("client.commands", EVERY_DAY, "Fetch a report of all orders, or of those of a period."),
    "trace": Lazy("operations.commands", MENDING, "Show one order's way through topics and tables."),
    "dlq": Lazy("operations.commands", MENDING, "List, show, replay and discard what could not be processed."),
    "reconcile": Lazy(
        "operations.commands", MENDING, "Find out whether any order is lost, or differs between services."
    ),
    "recover": Lazy("operations.commands", MENDING, "Send the messages of lost orders again."),
    "rebuild": Lazy(
        "operations.commands", MENDING, "Make Reporting's table, or the state store, from its source again."
    ),
    "serve": Lazy("api.commands", EVERY_DAY, "Serve the HTTP API: place orders, follow them, fetch reports."),
}
"""Each subcommand, which is imported when it is used."""


def installed_version() -> str:
    """Return the project's version: the checkout's, or the installed package's if there is no checkout."""
    project = Path(__file__).parent.parent / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("alpes")


@click.group(
    cls=Group,
    prefix="alpes: ",
    advice=ALPES,
    lazy=COMMANDS,
    context_settings={"max_content_width": 100},
)
@click.version_option(installed_version(), message="alpes %(version)s")
def alpes() -> None:
    """Send orders to Alpes, look one up, fetch reports, and put right what went wrong.

    \b
    First steps, with a stack brought up by ./deploy.sh up and ./deploy.sh deploy:
      alpes send                                   send 100 orders and follow them to their end
      alpes show 0c5e…                             the status of one order
      alpes report --format csv --output orders.csv

    \b
    The addresses of Pulsar come from PULSAR_SERVICE_URL and PULSAR_ADMIN_URL, or from the options
    of each command. Without either, alpes uses the local stack of this checkout if there is one,
    and otherwise the usual ports of this machine.

    \b
    Exit codes: 0 done, 1 failed, refused or found something wrong, 2 wrong usage or nothing to
    talk to, 130 interrupted.
    """  # noqa: D301 - \b is click's mark for lines to keep as they are


def main() -> Any:
    """Run the command line of this process; return the exit code."""
    use_local_stack(sys.argv[1:])
    return alpes.run(prog_name="alpes")
