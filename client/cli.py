"""The command `alpes`: puts the subcommands together."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from client import config_file, sources
from terminal.advice import ALPES
from terminal.command_line import Group, Lazy

EVERY_DAY, MENDING = "Every day", "When something went wrong"
COMMANDS = {
    "send": Lazy("client.commands", EVERY_DAY, "Send orders, made up or from a file, and follow them to their end."),
    "show": Lazy("operations.commands", EVERY_DAY, "Show one order's status."),
    "report": Lazy("client.commands", EVERY_DAY, "Fetch a report of all orders, or of those of a period."),
    "config": Lazy("deployment.commands", EVERY_DAY, "Show every setting that is in force, and where it is from."),
    "autoscale": Lazy("autoscale.commands", EVERY_DAY, "Give functions as many instances as their load needs."),
    "doctor": Lazy("deployment.commands", MENDING, "Look at each part of the system, and say what to do."),
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
    # Imported here, since each would slow every command down by some hundredths of a second.
    import tomllib  # noqa: PLC0415
    from importlib import metadata  # noqa: PLC0415

    project = Path(__file__).parent.parent / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("alpes")


def _show_version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:  # noqa: FBT001 - click's way
    if wanted:
        click.echo(f"alpes {installed_version()}")
        ctx.exit()


@click.group(
    cls=Group,
    prefix="alpes: ",
    advice=ALPES,
    lazy=COMMANDS,
    context_settings={"max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def alpes() -> None:
    """Send orders to Alpes, look one up, fetch reports, and put right what went wrong.

    \b
    First steps, with a stack brought up by ./deploy.sh up and ./deploy.sh deploy:
      alpes send                                   send 100 orders and follow them to their end
      alpes show 0c5e…                             the status of one order
      alpes report --format csv --output orders.csv
      alpes doctor                                 whether each part is well, and what to do

    \b
    Where the system is comes from the options of each command, else from the environment, else from
    the file ~/.config/alpes/config.toml, else from the local stack of this checkout if there is one,
    and otherwise it is at the usual ports of this machine. alpes config shows what is in force.

    \b
    Exit codes: 0 done, 1 failed, refused or found something wrong, 2 wrong usage or no answer,
    130 interrupted. docs/command-line.md has the table.
    """  # noqa: D301 - \b is click's mark for lines to keep as they are


def main() -> Any:
    """Run the command line of this process; return the exit code."""
    arguments = sys.argv[1:]
    used = next((word for word in arguments if not word.startswith("-")), None)
    if used is None:
        # Help, the version and a shell's completion need no file, and work though it is broken.
        return alpes.run(prog_name="alpes")
    found = sources.take(arguments)
    only = None if used == "config" else used
    options = config_file.defaults(found.content, alpes, click.Context(alpes), found.file, only=only)
    return alpes.run(prog_name="alpes", obj=found, default_map=options, defaults_from=found.file)
