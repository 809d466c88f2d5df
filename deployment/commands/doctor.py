"""`alpes doctor`: looks at each part of the system, and says what to do."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict

import click
from rich.table import Table

from deployment import function_configs
from deployment.doctor.examination import examine
from deployment.doctor.finding import OK, PROBLEM, SKIPPED, WARNING, Finding, healthy
from deployment.doctor.place import find
from deployment.errors import TargetError
from deployment.target import take_role
from local_stack.secured import secrets
from terminal.console import make_console, table_console
from terminal.errors import FAILED
from terminal.options import Positive, admin_url_option, json_option, service_url_option
from terminal.settings import ADMIN_URL, SERVICE_URL
from terminal.text import one_line

STYLES = {OK: "green", WARNING: "yellow", PROBLEM: "bold red", SKIPPED: "dim"}
LIMIT_S = 20.0


@click.command()
@click.option(
    "--timeout",
    type=Positive(),
    default=LIMIT_S,
    show_default=True,
    metavar="SECONDS",
    help="How long all checks, which run at the same time, may take.",
)
@json_option
@service_url_option
@admin_url_option
@click.pass_context
def doctor(ctx: click.Context, /, *, timeout: float, as_json: bool, service_url: str, admin_url: str) -> int:
    """Look at each part of the system, and say what to do.

    Looks at Python, packages, disk, the local stack, broker, function worker, state store,
    databases, schemas, functions and clocks, whether all of it runs, a part or nothing. It only
    reads. Without an address it looks at the local stack; a cluster is named by the variables with
    which it is deployed to. The exit code is 1 if there is a problem.

    \b
    Examples:
      alpes doctor
      alpes doctor --json
    """  # noqa: D301 - \b is click's mark
    configs = list(function_configs.load().values())
    # A check looks at what a deployment does, also as whom.
    with suppress(TargetError):
        take_role(configs, secrets.DEPLOYER)
    environ = dict(os.environ)
    for setting, name, url in ((SERVICE_URL, "service_url", service_url), (ADMIN_URL, "admin_url", admin_url)):
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            environ[setting.variable] = url
    place = find(configs, environ, timeout)
    err = make_console(stderr=True)
    if err.is_terminal:
        with err.status("Looking …"):
            findings = examine(place, timeout)
    else:
        findings = examine(place, timeout)
    if as_json:
        print(json.dumps({"healthy": healthy(findings), "findings": [asdict(each) for each in findings]}, indent=2))
    else:
        _show(findings)
    return 0 if healthy(findings) else FAILED


def _show(findings: list[Finding]) -> None:
    console = table_console()
    table = Table.grid(padding=(0, 2))
    for column in ("level", "part", "what"):
        table.add_column(column, overflow="fold")
    for each in findings:
        advice = f"{'' if each.what.endswith('.') else '.'} {each.advice}" if each.advice else ""
        table.add_row(f"[{STYLES[each.level]}]{each.level}[/]", each.part, one_line(each.what + advice))
    console.print(table)
    count = sum(each.level == PROBLEM for each in findings)
    warnings = sum(each.level == WARNING for each in findings)
    said = [
        f"{number} {name}{'s' if number > 1 else ''}"
        for number, name in ((count, PROBLEM), (warnings, WARNING))
        if number
    ]
    console.print(f"\n{' and '.join(said).capitalize()}." if said else "\nAll is well.")
