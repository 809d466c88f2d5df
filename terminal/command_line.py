"""The base of our command lines: an error, also one of the output, is one line and one exit code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from connection.errors import PulsarError
from terminal.advice import DEPLOYMENT, Advice, explained
from terminal.errors import INTERRUPTED, WRONG_USAGE, CommandError
from terminal.text import one_line


class Lazy(NamedTuple):
    """A subcommand that is imported only when used.

    Attributes
    ----------
    package : str
        Where the module of its name is.
    section : str
        The heading under which the group's help lists it.
    summary : str
        What the group's help says of it: the listing imports nothing.
    """

    package: str
    section: str
    summary: str


class Command(click.Command):
    """A command whose help lists its options under headings.

    Parameters
    ----------
    sections
        The names of the options under each heading. The others come last, under "Options".
    options
        See `click.Command`.
    """

    def __init__(self, *, sections: Mapping[str, Sequence[str]], **options: Any) -> None:
        super().__init__(**options)
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, each under its heading."""
        rest = {param.name: param for param in self.get_params(ctx)}
        for heading, names in self._sections.items():
            _write_options(ctx, formatter, heading, [rest.pop(name) for name in names])
        _write_options(ctx, formatter, "Options", rest.values())


def _write_options(
    ctx: click.Context, formatter: click.HelpFormatter, heading: str, params: Iterable[click.Parameter]
) -> None:
    with formatter.section(heading):
        formatter.write_dl([record for param in params if (record := param.get_help_record(ctx)) is not None])


class Group(click.Group):
    """A program with subcommands; what a subcommand returns is its exit code.

    Parameters
    ----------
    prefix
        What every error message begins with; may be empty.
    help_command
        The command whose `--help` wrong usage refers to; empty for the one that was used wrongly.
    interrupted
        The message when Ctrl-C ends a subcommand.
    advice
        What the user can do if Pulsar can't be reached.
    lazy
        Subcommands that are imported only when used, by name.
    options
        See `click.Group`.
    """

    def __init__(
        self,
        *,
        prefix: str = "",
        help_command: str = "",
        interrupted: str = "interrupted",
        advice: Advice = DEPLOYMENT,
        lazy: Mapping[str, Lazy] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._prefix = prefix
        self._help_command = help_command
        self._interrupted = interrupted
        self._advice = advice
        self._lazy = lazy or {}
        self._defaults_from: object = ""
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of all subcommands, in the order in which they were added."""
        return [*self._lazy, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a subcommand; None if there is none of this name."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f"{self._lazy[cmd_name].package}.{cmd_name}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the subcommands, lazy ones under their headings."""
        if not self._lazy:
            super().format_commands(ctx, formatter)
            return
        width = max(map(len, self._lazy))
        for section in dict.fromkeys(lazy.section for lazy in self._lazy.values()):
            rows = [(name.ljust(width), lazy.summary) for name, lazy in self._lazy.items() if lazy.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a subcommand's or an option's name, without importing lazy subcommands."""
        if not self._lazy:
            return super().shell_complete(ctx, incomplete)
        names = [
            CompletionItem(name, help=lazy.summary) for name, lazy in self._lazy.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, args: Any = None, prog_name: str | None = None, *_: Any, **__: Any) -> Any:
        """Run a command line, and exit."""
        sys.exit(self.run(args, prog_name))

    def run(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *,
        defaults_from: object = "",
        **settings: Any,
    ) -> Any:
        """Run a command line, flush its output, and return the exit code.

        Parameters
        ----------
        args
            Arguments without the program's name; None for those of the process.
        prog_name
            The program's name, if it isn't the group's.
        defaults_from
            The file that the setting `default_map` was read from, for errors.
        settings
            Of click's context, such as `obj` and `default_map`.
        """
        self._defaults_from = defaults_from
        try:
            code = self._invoked(sys.argv[1:] if args is None else list(args), prog_name or str(self.name), settings)
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return WRONG_USAGE
        except BrokenPipeError:
            # The reader has seen enough, as `head` has.
            return 0
        except (click.UsageError, click.Abort, PulsarError, CommandError, OSError, KeyboardInterrupt) as error:
            told = self._told(error)
            click.echo(f"{self._prefix}{told}", err=True)
            return told.exit_code
        return code

    def _invoked(self, args: list[str], prog_name: str, settings: dict[str, Any]) -> Any:
        # Not click's own `main`, which ends the process itself if the reader of the output has gone.
        self._main_shell_completion({}, prog_name)
        try:
            with self.make_context(prog_name, args, **settings) as ctx:
                return self.invoke(ctx)
        except click.exceptions.Exit as ended:
            return ended.exit_code

    def _told(self, error: BaseException) -> CommandError:
        """Return the message for an error, with the exit code."""
        if isinstance(error, CommandError):
            return error
        if isinstance(error, PulsarError):
            return explained(error, self._advice)
        if isinstance(error, click.UsageError):
            return CommandError(self._usage(error), exit_code=WRONG_USAGE)
        if isinstance(error, OSError):
            what = f"Can't read or write {error.filename}: " if error.filename else ""
            return CommandError(" ".join(f"{what}{error.strerror or error}".split()).removesuffix(".") + ".")
        if isinstance(error, KeyboardInterrupt):
            return CommandError(self._interrupted, exit_code=INTERRUPTED)
        # click says the same of a "no" and of Ctrl-C at a question.
        was_interrupted = isinstance(error.__context__, KeyboardInterrupt)
        return CommandError("Nothing was done.", exit_code=INTERRUPTED if was_interrupted else CommandError.exit_code)

    def _usage(self, error: click.UsageError) -> str:
        command = error.ctx.command_path if error.ctx else str(self.name)
        what = one_line(" ".join(error.format_message().split()))
        begin = "" if self._prefix else f"{command}: "
        stop = "" if what.endswith((".", "?", "!")) else "."
        where = f" {self._defaults_from} says so." if _is_of_file(error) else ""
        return f"{begin}{what}{stop}{where} See {self._help_command or command} --help."


def _is_of_file(error: click.UsageError) -> bool:
    """Whether an error is about a value that comes from a file of defaults."""
    if not isinstance(error, click.BadParameter) or error.ctx is None or error.param is None or not error.param.name:
        return False
    return error.ctx.get_parameter_source(error.param.name) is ParameterSource.DEFAULT_MAP
