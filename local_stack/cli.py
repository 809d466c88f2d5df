"""The local stack's command line: `python -m local_stack up|down|destroy|env`."""

import argparse
import sys
from collections.abc import Sequence

from local_stack import environment, stack
from local_stack.settings import Settings, from_environment
from terminal import command_line, errors, progress


def _up(settings: Settings, _: argparse.Namespace) -> int:
    if not stack.up(settings):
        progress.say("Pulsar and PostgreSQL are running.")
    return 0


def _down(settings: Settings, _: argparse.Namespace) -> int:
    if not stack.down(settings):
        progress.say("Nothing was running.")
    return 0


def _destroy(settings: Settings, arguments: argparse.Namespace) -> int:
    if not settings.home.exists():
        progress.say("There is nothing to destroy.")
        return 0
    if not arguments.yes:
        question = f"Stop the local stack and remove {settings.home} with all orders, payments and logs? [y/N] "
        print(question, end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes", "s", "si", "sí"}:
            progress.say("Nothing was removed.")
            return errors.FAILED
    stack.destroy(settings)
    progress.say(f"Removed {settings.home}.")
    return 0


def _env(settings: Settings, _: argparse.Namespace) -> int:
    print(environment.export_lines(settings))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(
        prog="./deploy.sh", description="A real Pulsar and a real PostgreSQL on this machine, from packages."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("up", _up, "start whatever part does not run"),
        ("down", _down, "stop all parts; the data stay"),
        ("destroy", _destroy, "stop all parts and remove their data"),
        ("env", _env, "print `export` lines for a shell"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if name == "destroy":
            command.add_argument("--yes", action="store_true", help="don't ask")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    return command_line.run(
        lambda: int(arguments.run(from_environment(), arguments)),
        interrupted="Interrupted: what this run had started was stopped.",
    )
