"""The deployment's command line: `python -m deployment deploy|status|scale|…`."""

import dataclasses
import json
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from connection.admin import Admin
from connection.errors import PulsarError
from deployment import (
    deploy,
    function_configs,
    function_logs,
    instances,
    namespace,
    packaging,
    permissions,
    releases,
    report,
    topology,
)
from deployment.errors import DeploymentError, UsageError
from deployment.function_configs import PulsarFunctionConfig
from deployment.gate import Permission
from deployment.manifests import manifests
from deployment.plan import Form
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import Target, is_local, pulsar_admin, resolve, take_role
from local_stack import stack
from local_stack.secured import secrets
from local_stack.settings import Settings, from_environment
from terminal import errors, progress
from terminal.command_line import Group

INTERRUPTED = "Interrupted. Run the command again: it leaves alone what is done already."
MOST_LINES = 1_000_000
"""Most lines of each log that `logs` shows."""


@click.group("./deploy.sh", cls=Group, help_command="./deploy.sh", interrupted=INTERRUPTED)
def commands() -> None:
    """Topics, tables and functions on Pulsar."""


@commands.command("deploy")
@click.argument("functions", nargs=-1, metavar="[FUNCTION]...")
@click.option("--allow-breaking", metavar="WHY", help="Deploy changes that break a topic's contract; ask first.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--without-functions", is_flag=True, help="Only namespace, topics, contracts and tables.")
@packaging.wheel_options
@click.option("--summary-json", type=click.Path(path_type=Path), metavar="FILE", help="Write what was done to FILE.")
def _deploy(
    functions: Sequence[str],
    allow_breaking: str | None,
    *,
    yes: bool,
    without_functions: bool,
    summary_json: Path | None,
    **wheels: Any,
) -> None:
    """Create or update the functions that changed: of those named, or of all."""
    permission = None
    if allow_breaking is not None:
        if not allow_breaking.strip():
            raise UsageError("--allow-breaking needs the reason, which is recorded on the target.")
        permission = Permission(allow_breaking.strip(), _agreed if yes else _asked)
    configs, target, form = _wanted(functions, wheels, without_functions=without_functions)
    summary = deploy.deploy(configs, target, permission, form)
    if summary.unchanged:
        progress.say("Unchanged: nothing to deploy.")
    if summary_json:
        summary_json.write_text(json.dumps(dataclasses.asdict(summary)))


@commands.command("plan")
@click.argument("functions", nargs=-1, metavar="[FUNCTION]...")
@click.option("--without-functions", is_flag=True, help="Only namespace, topics, contracts and tables.")
@packaging.wheel_options
def _plan(functions: Sequence[str], *, without_functions: bool, **wheels: Any) -> int:
    """Show what deploy would change, field by field, and change nothing; exit code 3 if it would change something."""
    return errors.WOULD_CHANGE if deploy.show(*_wanted(functions, wheels, without_functions=without_functions)) else 0


def _wanted(
    functions: Sequence[str], wheels: dict[str, Any], *, without_functions: bool
) -> tuple[list[PulsarFunctionConfig], Target, Form]:
    """Return the functions that are named, where they are to run, and in which form."""
    configs = function_configs.select(function_configs.load(), functions)
    take_role(configs, secrets.DEPLOYER)
    target = resolve(configs)
    return configs, target, Form(not without_functions, tuple(packaging.fetched(packaging.SELF_CONTAINED, **wheels)))


def _asked(question: str) -> None:
    click.confirm(question, abort=True, err=True)


def _agreed(_question: str) -> None:
    """Take the question as answered."""


@commands.command("prepare")
def _prepare() -> None:
    """Make tenant and namespace, and let each role do what it needs: for Pulsar's superuser, or the tenant's admin."""
    configs = list(function_configs.load().values())
    # Who may do this need not know the databases.
    named = [config for config in configs if os.environ.get(config.dsn_variable or "")]
    take_role(named, secrets.PLATFORM)
    api = Admin(resolve(named, with_databases=False).admin_url)
    topics = topology.load()
    wanted = permissions.load(configs, topics)
    done = [
        *permissions.prepare(wanted, api),
        *namespace.set_policies(topics, api),
        *permissions.grant(wanted, api),
    ]
    for line in done or ["Unchanged: nothing to prepare."]:
        progress.say(line)


@commands.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for a script.")
def _status(*, as_json: bool) -> int:
    """Show instances, restarts and backlogs; exit code 3 if a function is down or stuck."""
    configs = list(function_configs.load().values())
    take_role(configs, secrets.DEPLOYER)
    local = from_environment() if is_local(configs) else None
    parts = stack.status(local) if local else []
    functions: list[report.FunctionReport] = []
    text = [part.line for part in parts]
    # A stack that is down can't be asked about functions.
    if all(part.ready for part in parts if not part.serves):
        target = resolve(configs, with_databases=False)
        api = Admin(target.admin_url, timeout_s=report.ANSWER_S, pauses_s=())
        cli = PulsarAdmin(pulsar_admin(target), api)
        functions = report.read(configs, api, target)
        for config, found in zip(configs, functions, strict=True):
            text += report.lines(found, cli.line("start", *config.name_options))
    all_run = bool(functions) and all(function.runs for function in functions) and all(part.ready for part in parts)
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


# So that click takes -1 as a number, not as an unknown option: the command then says what is wrong with it.
@commands.command("scale", context_settings={"ignore_unknown_options": True})
@click.argument("function")
@click.argument("wanted", metavar="N", type=int)
def _scale(function: str, wanted: int) -> None:
    """Change a function's number of instances."""
    (config,) = function_configs.select(function_configs.load(), [function])
    if wanted < 1:
        raise UsageError(f"A function can't have {wanted} instances: the least is 1.")
    take_role([config], secrets.DEPLOYER)
    target = resolve([config])
    api = Admin(target.admin_url, timeout_s=report.ANSWER_S)
    cli = PulsarAdmin(pulsar_admin(target), api)
    found = instances.find(config, api)
    if found is None:
        raise DeploymentError(f"Function {config.name} is not deployed: run ./deploy.sh deploy {config.name}")
    deploy.require_not_stopped([config], api, cli)
    if found.wanted == wanted:
        progress.say(f"{config.name} already has {found.wanted} instances.")
        return
    with progress.step(f"Scaling {config.name} to {wanted}", f"Scaled {config.name}"):
        releases.scale(config, wanted, cli)
        with function_logs.explaining(target.local):
            found = instances.wait_running(config, api, wanted, replaced=True)
    said = instances.remark(found, wanted)
    progress.say(f"{config.name}: {found.running} running{f' ({said})' if said else ''}")


def _local_only(command: str, where: Callable[[], str] = str) -> Settings:
    """Return the local stack's settings. Raise `UsageError` where the environment names a cluster."""
    if not is_local(list(function_configs.load().values())):
        raise UsageError(
            f"{command} works on the local stack only, and the environment names a cluster"
            f" ({os.environ['PULSAR_SERVICE_URL']})."
            f" A cluster's instances and logs are on its function workers{where()}."
        )
    return from_environment()


def _logs_of_a_cluster(configs: Sequence[PulsarFunctionConfig]) -> str:
    try:
        api = Admin(resolve(configs, with_databases=False).admin_url, timeout_s=report.ANSWER_S)
        found = function_logs.places(configs, api)
    except PulsarError as error:
        return f", and which ones isn't known now ({str(error).rstrip('.')})"
    return f": {', '.join(found)}" if found else ""


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
        f"Killed instance {number} of {config.name} (process {pids[0]}). The function worker restarts it within"
        " seconds, and the broker redelivers what it had not acknowledged."
    )


def _number_of_lines(text: str | int) -> int:
    text = str(text)
    if not text.isdecimal() or len(text) > len(str(MOST_LINES)) or int(text) > MOST_LINES:
        raise click.BadParameter(f"{text!r} is not a whole number from 0 to {MOST_LINES}")
    return int(text)


@commands.command("logs")
@click.argument("function", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on showing new lines, until Ctrl-C.")
@click.option(
    "--tail", type=_number_of_lines, default=100, metavar="N", help="Show the last N lines of each log (100)."
)
@click.option("--all", "everything", is_flag=True, help="Include the lines that Pulsar itself writes at start and end.")
def _logs(function: str | None, *, follow: bool, tail: int, everything: bool) -> int:
    """Show the logs of one function's instances, or of all functions'."""
    configs = function_configs.select(function_configs.load(), [function] if function else [])
    settings = _local_only("logs", where=lambda: _logs_of_a_cluster(configs))
    if not any(function_logs.files(config.full_name, settings) for config in configs):
        raise DeploymentError(f"{settings.function_logs} has no log{f' of {function}' if function else ''} yet.")
    names = [config.full_name for config in configs]
    try:
        for line in function_logs.shown(names, settings, last=tail, everything=everything, follow=follow):
            print(f"{line.instance:<11} | {line.text}", flush=follow)
    except KeyboardInterrupt:
        # Ctrl-C is how one stops following.
        return errors.INTERRUPTED
    return 0


commands.add_command(packaging.package)
commands.add_command(manifests)


@commands.command("where")
def _where() -> None:
    """Print `local` or `cluster`: where the other commands work in this environment."""
    print("local" if is_local(list(function_configs.load().values())) else "cluster")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    return commands.run(argv) or 0
