"""The command `alpes`: puts the subcommands together, and turns our errors into one line and an exit code."""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from client.commands.dlq import dlq
from client.commands.rebuild import rebuild
from client.commands.reconcile import reconcile
from client.commands.report import report
from client.commands.send import send
from client.commands.show import show
from client.commands.trace import trace
from client.errors import ClientError

INTERRUPTED_EXIT_CODE = 130


class _Group(click.Group):
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
    commands=[send, show, report, trace, dlq, reconcile, rebuild],
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

    \b
    Where Pulsar is comes from PULSAR_SERVICE_URL and PULSAR_ADMIN_URL (./deploy.sh env prints
    them), or from the options of each command; without either, from this machine's usual ports.

    \b
    Exit codes: 0 done, 1 done in part or refused, 2 wrong usage or nothing to talk to,
    130 interrupted.
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
