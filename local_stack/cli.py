"""The local stack's command line: `python -m local_stack up|down|destroy|env`."""

import sys
from collections.abc import Sequence

import click

from local_stack import environment, stack
from local_stack.settings import from_environment
from terminal import errors, progress
from terminal.command_line import Group


@click.group(
    "./deploy.sh",
    cls=Group,
    help_command="./deploy.sh",
    interrupted="Interrupted: this run stopped what it had started.",
)
def commands() -> None:
    """A real Pulsar and a real PostgreSQL on this machine, from packages."""


@commands.command()
@click.option("--secure", is_flag=True, help="Make a stack with TLS, tokens and roles; it stays one.")
def up(*, secure: bool) -> None:
    """Start the parts that don't run."""
    settings = from_environment()
    if not stack.up(stack.secured(settings) if secure else settings):
        progress.say("Pulsar, PostgreSQL and the HTTP API are running.")


@commands.command()
def api() -> None:
    """Start the HTTP API, or replace it if its code has changed."""
    stack.start_api(from_environment())


@commands.command()
def down() -> None:
    """Stop all parts; the data stay."""
    if not stack.down(from_environment()):
        progress.say("Nothing was running.")


@commands.command()
@click.option("--yes", is_flag=True, help="Don't ask first.")
def destroy(*, yes: bool) -> int:
    """Stop all parts and remove their data."""
    settings = from_environment()
    if not settings.home.exists():
        progress.say("There is nothing to destroy.")
        return 0
    if not yes:
        question = f"Stop the local stack and remove {settings.home} with all orders, payments and logs? [y/N] "
        print(question, end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in {"y", "yes", "s", "si", "sí"}:
            progress.say("Nothing was removed.")
            return errors.FAILED
    stack.destroy(settings)
    progress.say(f"Removed {settings.home}.")
    return 0


@commands.command()
def env() -> None:
    """Print the stack's addresses and DSNs as `export` lines for a shell."""
    print(environment.export_lines(from_environment()))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    return commands.run(argv) or 0
