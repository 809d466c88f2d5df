"""The deployment's command line: `python -m deployment deploy|status|scale|…`."""

import dataclasses
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from connection.admin import Admin
from deployment import deploy, function_configs, function_logs, instances, releases, report
from deployment.errors import DeploymentError, UsageError
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import is_local, pulsar_admin, resolve
from local_stack import stack
from local_stack.settings import Settings, from_environment
from terminal import errors, progress
from terminal.command_line import Group

INTERRUPTED = "Interrupted. Run it again: what is done already is left alone."
MOST_LINES = 1_000_000
"""Of each log that are shown."""


@click.group("./deploy.sh", cls=Group, help_command="./deploy.sh", interrupted=INTERRUPTED)
def commands() -> None:
    """Topics, tables and functions on Pulsar."""


@commands.command("deploy")
@click.argument("functions", nargs=-1, metavar="[FUNCTION]...")
@click.option("--summary-json", type=click.Path(path_type=Path), metavar="FILE", help="Write there what was done.")
def _deploy(functions: Sequence[str], summary_json: Path | None) -> None:
    """Create or update what changed, of these functions or of all."""
    configs = function_configs.select(function_configs.load(), functions)
    summary = deploy.deploy(configs, resolve(configs))
    if not summary.changed:
        progress.say("Unchanged: nothing to deploy.")
    if summary_json:
        summary_json.write_text(json.dumps(dataclasses.asdict(summary)))


@commands.command("status")
@click.option("--json", "as_json", is_flag=True, help="For a script.")
def _status(*, as_json: bool) -> int:
    """Show instances, restarts and backlogs; exit code 3 if not all get on."""
    configs = list(function_configs.load().values())
    local = from_environment() if is_local(configs) else None
    parts = stack.status(local) if local else []
    functions: list[report.FunctionReport] = []
    text = [part.line for part in parts]
    # A stack that is down has no functions to ask about.
    if all(part.ready for part in parts):
        target = resolve(configs, with_databases=False)
        cli = PulsarAdmin(pulsar_admin(target), target.admin_url)
        functions = report.read(configs, Admin(target.admin_url), target)
        for config, found in zip(configs, functions, strict=True):
            text += report.lines(found, cli.line("start", *config.name_options))
    all_run = bool(functions) and all(function.runs for function in functions)
    if as_json:
        print(
            json.dumps(
                {
                    "all_running": all_run,
                    "stack": [dataclasses.asdict(part) for part in parts],
                    "functions": [function.as_json() for function in functions],
                },
                indent=2,
            )
        )
    else:
        print("\n".join(text))
    return 0 if all_run else errors.NOT_ALL_RUNNING


# A number below 0 is no option.
@commands.command("scale", context_settings={"ignore_unknown_options": True})
@click.argument("function")
@click.argument("wanted", metavar="N", type=int)
def _scale(function: str, wanted: int) -> None:
    """Change a function's number of instances."""
    (config,) = function_configs.select(function_configs.load(), [function])
    if wanted < 1:
        raise UsageError(f"{wanted} instances can't be; 1 is the least.")
    target = resolve([config])
    api = Admin(target.admin_url)
    cli = PulsarAdmin(pulsar_admin(target), target.admin_url)
    found = instances.find(config, api)
    if found is None:
        raise DeploymentError(f"Function {config.name} is not deployed: run ./deploy.sh deploy {config.name}")
    deploy.require_not_stopped([config], api, cli)
    if found.wanted == wanted:
        progress.say(f"{config.name} has {found.wanted} instances already.")
        return
    with progress.step(f"Scaling {config.name} to {wanted}", f"{config.name}: {wanted} running"):
        releases.scale(config, wanted, cli)
        with function_logs.explaining(target.local):
            instances.wait_running(config, api, wanted, replaced=True)


def _local_only(command: str) -> Settings:
    """The local stack, for what can be done only on its machine."""
    if not is_local(list(function_configs.load().values())):
        raise UsageError(
            f"{command} is for the local stack, and the environment names a cluster"
            f" ({os.environ['PULSAR_SERVICE_URL']}), whose function workers have the instances and their logs."
        )
    return from_environment()


@commands.command("kill")
@click.argument("function")
def _kill(function: str) -> None:
    """Kill one instance of a function, to see that nothing is lost."""
    (config,) = function_configs.select(function_configs.load(), [function])
    running = instances.processes(config, _local_only("kill"))
    if not running:
        raise DeploymentError(f"No instance of {config.name} runs: see ./deploy.sh status")
    number, pids = min(running.items())
    try:
        os.kill(pids[0], signal.SIGKILL)
    except ProcessLookupError:
        raise DeploymentError(f"Instance {number} of {config.name} (process {pids[0]}) has just ended.") from None
    print(
        f"Killed instance {number} of {config.name} (process {pids[0]}). The function worker starts it again within"
        " seconds, and what it had not acknowledged comes again."
    )


def _number_of_lines(text: str | int) -> int:
    text = str(text)
    if not text.isdecimal() or len(text) > len(str(MOST_LINES)) or int(text) > MOST_LINES:
        raise click.BadParameter(f"{text!r} is no number of lines from 0 to {MOST_LINES}")
    return int(text)


@commands.command("logs")
@click.argument("function", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on as they grow.")
@click.option("--tail", type=_number_of_lines, default=100, metavar="N", help="The last N lines of each (100).")
@click.option("--all", "everything", is_flag=True, help="With what Pulsar itself says at each start and end.")
def _logs(function: str | None, *, follow: bool, tail: int, everything: bool) -> int:
    """Show the logs of the functions' instances, or of this function's alone."""
    configs = function_configs.select(function_configs.load(), [function] if function else [])
    settings = _local_only("logs")
    if not any(function_logs.files(config.full_name, settings) for config in configs):
        raise DeploymentError(
            f"There is no log in {settings.function_logs} yet{f' of {function}' if function else ''}."
        )
    names = [config.full_name for config in configs]
    try:
        for line in function_logs.shown(names, settings, last=tail, everything=everything, follow=follow):
            print(f"{line.instance:<11} | {line.text}", flush=follow)
    except KeyboardInterrupt:
        # So ends who follows them.
        return errors.INTERRUPTED
    return 0


@commands.command("where")
def _where() -> None:
    """Print `local` or `cluster`: what the environment means."""
    print("local" if is_local(list(function_configs.load().values())) else "cluster")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    return commands.run(argv) or 0
