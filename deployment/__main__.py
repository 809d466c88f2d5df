"""The deployment's command line: `python -m deployment deploy|status|scale|logs|where`."""

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deployment import deploy, function_configs, function_logs, instances, releases, report
from deployment.errors import DeploymentError, UsageError
from deployment.pulsar_cli import PulsarAdmin
from deployment.rest import AdminApi
from deployment.target import is_local, pulsar_admin, resolve
from local_stack import progress
from local_stack.errors import LocalStackError

NOT_ALL_RUNNING = 3


def _deploy(arguments: argparse.Namespace) -> int:
    configs = function_configs.select(function_configs.load(), arguments.functions)
    summary = deploy.deploy(configs, resolve(configs))
    if not summary.changed:
        progress.say("Unchanged: nothing to deploy.")
    if arguments.summary_json:
        arguments.summary_json.write_text(json.dumps(dataclasses.asdict(summary)))
    return 0


def _status(_: argparse.Namespace) -> int:
    configs = list(function_configs.load().values())
    api = AdminApi(resolve(configs).admin_url)
    print("\n".join(report.lines(configs, api)))
    return 0 if report.all_running(configs, api) else NOT_ALL_RUNNING


def _scale(arguments: argparse.Namespace) -> int:
    (config,) = function_configs.select(function_configs.load(), [arguments.function])
    if arguments.instances < 1:
        raise UsageError(f"{arguments.instances} instances can't be; 1 is the least.")
    target = resolve([config])
    api = AdminApi(target.admin_url)
    found = instances.find(config, api)
    if found is None:
        raise DeploymentError(f"Function {config.name} is not deployed: run ./deploy.sh deploy {config.name}")
    if found.wanted == arguments.instances:
        progress.say(f"{config.name} has {found.wanted} instances already.")
        return 0
    with progress.step(
        f"Scaling {config.name} to {arguments.instances}", f"{config.name}: {arguments.instances} running"
    ):
        releases.scale(config, arguments.instances, PulsarAdmin(pulsar_admin(target), target.admin_url))
        with function_logs.explaining(target.local):
            instances.wait_running(config, api, arguments.instances, replaced=True)
    return 0


def _logs(arguments: argparse.Namespace) -> int:
    (config,) = function_configs.select(function_configs.load(), [arguments.function])
    target = resolve([config])
    if target.local is None:
        raise DeploymentError(
            f"The logs of {config.name} are with the cluster's function workers, not on this machine."
        )
    files = function_logs.files(config.full_name, target.local)
    if not files:
        raise DeploymentError(f"{config.name} has no log in {target.local.function_logs} yet.")
    options = ["-n", str(arguments.lines), *(["-F"] if arguments.follow else [])]
    os.execvp("tail", ["tail", *options, *map(str, files)])  # noqa: S606 - no shell is wanted


def _where(_: argparse.Namespace) -> int:
    print("local" if is_local(list(function_configs.load().values())) else "cluster")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deployment", description="Topics, tables and functions on Pulsar.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("deploy", help="create or update what changed")
    command.add_argument("functions", nargs="*", metavar="FUNCTION", help="only these; all when none is named")
    command.add_argument("--summary-json", type=Path, metavar="FILE", help="write there what was done")
    command.set_defaults(run=_deploy)

    command = commands.add_parser("status", help="show instances, restarts and backlogs; exit code 3 when not all run")
    command.set_defaults(run=_status)

    command = commands.add_parser("scale", help="change a function's number of instances")
    command.add_argument("function", metavar="FUNCTION")
    command.add_argument("instances", metavar="N", type=int)
    command.set_defaults(run=_scale)

    command = commands.add_parser("logs", help="show the logs of a function's instances")
    command.add_argument("function", metavar="FUNCTION")
    command.add_argument("-f", "--follow", action="store_true", help="go on as they grow")
    command.add_argument("-n", "--lines", type=int, default=100, metavar="N", help="the last N lines of each (100)")
    command.set_defaults(run=_logs)

    command = commands.add_parser("where", help="print `local` or `cluster`: what the environment means")
    command.set_defaults(run=_where)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except DeploymentError as error:
        progress.fail(str(error))
        return error.exit_code
    except LocalStackError as error:
        progress.fail(str(error))
        return 1
    except BrokenPipeError:
        # The reader has seen enough, as `head` has. What is still buffered must not be written at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        progress.fail("Interrupted. Run it again: what is done already is left alone.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
