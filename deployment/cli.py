"""The deployment's command line: `python -m deployment deploy|status|scale|…`."""

import argparse
import dataclasses
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path

from connection.admin import Admin
from deployment import deploy, function_configs, function_logs, instances, releases, report
from deployment.errors import DeploymentError, UsageError
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import is_local, pulsar_admin, resolve
from local_stack import stack
from local_stack.settings import Settings, from_environment
from terminal import command_line, errors, progress

INTERRUPTED = "Interrupted. Run it again: what is done already is left alone."
MOST_LINES = 1_000_000
"""Of each log that are shown."""


def _deploy(arguments: argparse.Namespace) -> int:
    configs = function_configs.select(function_configs.load(), arguments.functions)
    summary = deploy.deploy(configs, resolve(configs))
    if not summary.changed:
        progress.say("Unchanged: nothing to deploy.")
    if arguments.summary_json:
        arguments.summary_json.write_text(json.dumps(dataclasses.asdict(summary)))
    return 0


def _status(arguments: argparse.Namespace) -> int:
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
    if arguments.json:
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


def _scale(arguments: argparse.Namespace) -> int:
    (config,) = function_configs.select(function_configs.load(), [arguments.function])
    if arguments.instances < 1:
        raise UsageError(f"{arguments.instances} instances can't be; 1 is the least.")
    target = resolve([config])
    api = Admin(target.admin_url)
    cli = PulsarAdmin(pulsar_admin(target), target.admin_url)
    found = instances.find(config, api)
    if found is None:
        raise DeploymentError(f"Function {config.name} is not deployed: run ./deploy.sh deploy {config.name}")
    deploy.require_not_stopped([config], api, cli)
    if found.wanted == arguments.instances:
        progress.say(f"{config.name} has {found.wanted} instances already.")
        return 0
    with progress.step(
        f"Scaling {config.name} to {arguments.instances}", f"{config.name}: {arguments.instances} running"
    ):
        releases.scale(config, arguments.instances, cli)
        with function_logs.explaining(target.local):
            instances.wait_running(config, api, arguments.instances, replaced=True)
    return 0


def _local_only(command: str) -> Settings:
    """The local stack, for what can be done only on its machine."""
    if not is_local(list(function_configs.load().values())):
        raise UsageError(
            f"{command} is for the local stack, and the environment names a cluster"
            f" ({os.environ['PULSAR_SERVICE_URL']}), whose function workers have the instances and their logs."
        )
    return from_environment()


def _kill(arguments: argparse.Namespace) -> int:
    (config,) = function_configs.select(function_configs.load(), [arguments.function])
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
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    configs = function_configs.select(function_configs.load(), [arguments.function] if arguments.function else [])
    settings = _local_only("logs")
    if not any(function_logs.files(config.full_name, settings) for config in configs):
        raise DeploymentError(f"There is no log in {settings.function_logs} yet{_of(arguments.function)}.")
    for line in function_logs.shown(
        [config.full_name for config in configs],
        settings,
        last=arguments.tail,
        everything=arguments.all,
        follow=arguments.follow,
    ):
        print(f"{line.instance:<11} | {line.text}", flush=arguments.follow)
    return 0


def _of(function: str | None) -> str:
    return f" of {function}" if function else ""


def _where(_: argparse.Namespace) -> int:
    print("local" if is_local(list(function_configs.load().values())) else "cluster")
    return 0


def _number_of_lines(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(MOST_LINES)) or int(text) > MOST_LINES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines from 0 to {MOST_LINES}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = command_line.Parser(prog="./deploy.sh", description="Topics, tables and functions on Pulsar.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("deploy", help="create or update what changed")
    command.add_argument("functions", nargs="*", metavar="FUNCTION", help="only these; all when none is named")
    command.add_argument("--summary-json", type=Path, metavar="FILE", help="write there what was done")
    command.set_defaults(run=_deploy)

    command = commands.add_parser("status", help="show instances, restarts and backlogs; exit code 3 if not all get on")
    command.add_argument("--json", action="store_true", help="for a script")
    command.set_defaults(run=_status)

    command = commands.add_parser("scale", help="change a function's number of instances")
    command.add_argument("function", metavar="FUNCTION")
    command.add_argument("instances", metavar="N", type=int)
    command.set_defaults(run=_scale)

    command = commands.add_parser("logs", help="show the logs of the functions' instances")
    command.add_argument("function", metavar="FUNCTION", nargs="?", help="only this one's")
    command.add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    command.add_argument(
        "--tail", type=_number_of_lines, default=100, metavar="N", help="the last N lines of each (100)"
    )
    command.add_argument("--all", action="store_true", help="with what Pulsar itself says at each start and end")
    command.set_defaults(run=_logs)

    command = commands.add_parser("kill", help="kill one instance of a function, to see that nothing is lost")
    command.add_argument("function", metavar="FUNCTION")
    command.set_defaults(run=_kill)

    command = commands.add_parser("where", help="print `local` or `cluster`: what the environment means")
    command.set_defaults(run=_where)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    # Who follows logs ends that with Ctrl-C.
    interrupted = "" if arguments.run is _logs else INTERRUPTED
    return command_line.run(lambda: int(arguments.run(arguments)), interrupted)
