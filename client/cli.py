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
from terminal.command_line import Group

COMMANDS = {
    "send": "client.commands",
    "show": "operations.commands",
    "report": "client.commands",
    "trace": "operations.commands",
    "dlq": "operations.commands",
    "reconcile": "operations.commands",
    "recover": "operations.commands",
    "rebuild": "operations.commands",
    "serve": "api.commands",
}
"""The package of each subcommand, which is a module of its name there. A subcommand is imported when it is used."""


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
    When something went wrong:
      alpes dlq list                               what could not be processed, and why
      alpes reconcile                              whether any order is lost, or differs between services
      alpes recover --all-lost                     send the messages of lost orders again
      alpes trace 0c5e…                            one order's way through topics and tables
      alpes rebuild reporting --dry-run            whether Reporting's table agrees with its topic

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
