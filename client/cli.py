"""The command `alpes`: puts the subcommands together, and turns our errors into one line and an exit code."""

from __future__ import annotations

import importlib
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import click

from connection.errors import PulsarError
from terminal.advice import ALPES, explained
from terminal.errors import INTERRUPTED, WRONG_USAGE, CommandError
from terminal.text import one_line

COMMANDS = {
    "send": "client",
    "show": "operations",
    "report": "client",
    "trace": "operations",
    "dlq": "operations",
    "reconcile": "operations",
    "recover": "operations",
    "rebuild": "operations",
}
"""Each with its room, whose package `commands` has it in the module of its name. Imported when it is asked for."""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - the same
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"{COMMANDS[cmd_name]}.commands.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _end("interrupted", INTERRUPTED)

    def main(self, *args: Any, **extra: Any) -> Any:
        # Outside of click's own: help and wrong usage come before any command is invoked.
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except click.exceptions.NoArgsIsHelpError as problem:
            problem.show()
            code = WRONG_USAGE
        except click.UsageError as problem:
            command = problem.ctx.command_path if problem.ctx else "alpes"
            what = _line(problem.format_message())
            stop = "" if what.endswith((".", "?", "!")) else "."
            _end(f"{what}{stop} See {command} --help.", WRONG_USAGE)
        except click.Abort as problem:
            if isinstance(problem.__cause__, KeyboardInterrupt):
                _end("interrupted", INTERRUPTED)
            _end("Nothing was done.", CommandError.exit_code)
        except PulsarError as error:
            told = explained(error, ALPES)
            _end(str(told), told.exit_code)
        except CommandError as problem:
            _end(str(problem), problem.exit_code)
        sys.exit(code)


def _end(why: str, code: int) -> NoReturn:
    click.echo(f"alpes: {why}", err=True)
    sys.exit(code)


def _line(text: str) -> str:
    return one_line(" ".join(text.split()))


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
      alpes recover --all-lost                     take lost orders again from the topics
      alpes trace 0c5e…                            one order's way through topics and tables
      alpes rebuild reporting --dry-run            whether a table is what its topic tells

    \b
    Where Pulsar is comes from PULSAR_SERVICE_URL and PULSAR_ADMIN_URL, or from the options of
    each command. Without either it is the local stack of this checkout, where there is one, and
    otherwise what listens on the usual ports of this machine.

    \b
    Exit codes: 0 done, 1 failed, refused or found something wrong, 2 wrong usage or nothing to
    talk to, 130 interrupted.
    """  # noqa: D301 - \b is click's mark for lines to keep as they are
