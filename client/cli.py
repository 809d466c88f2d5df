"""The command `alpes`: puts the subcommands together, and turns our errors into one line and an exit code."""

from __future__ import annotations

import importlib
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from client.errors import ClientError

INTERRUPTED_EXIT_CODE = 130
COMMANDS = ("send", "show", "report", "trace", "dlq", "reconcile", "rebuild")
"""Each lies in the module of its name in client/commands, and is imported when it is asked for: most need little."""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"client.commands.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ClientError as problem:
            click.echo(f"alpes: {problem}", err=True)
            ctx.exit(problem.exit_code)
        except KeyboardInterrupt:
            click.echo("alpes: interrupted", err=True)
            ctx.exit(INTERRUPTED_EXIT_CODE)


def installed_version() -> str:
    """Give the project's version: the checkout's, or the installed package's where there is no checkout."""
    project = Path(__file__).parent.parent / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("alpes")


@click.group(
    cls=_Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
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
      alpes trace 0c5e…                            one order's way through topics and tables
      alpes rebuild reporting --dry-run            whether a table is what its topic tells

    \b
    Where Pulsar is comes from PULSAR_SERVICE_URL and PULSAR_ADMIN_URL (./deploy.sh env prints
    them), or from the options of each command; without either, from this machine's usual ports.

    \b
    Exit codes: 0 done, 1 done in part or refused, 2 wrong usage or nothing to talk to,
    130 interrupted.
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
