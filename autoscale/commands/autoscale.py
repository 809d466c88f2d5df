"""`alpes autoscale`: gives functions as many instances as their load needs, until it is ended."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from autoscale.errors import NothingToScaleError
from autoscale.looking import Looking
from autoscale.loop import Autoscaler, Line
from connection.admin import Admin
from deployment import function_configs
from deployment.function_configs import PulsarFunctionConfig
from terminal.interrupt import interruptible
from terminal.options import Duration, admin_url_option, json_option

EVERY_S = 5.0


@click.command()
@click.argument("functions", nargs=-1, metavar="[FUNCTION]...")
@click.option("--once", is_flag=True, help="Look twice, decide as if the load stayed so, act, and end.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@click.option(
    "--every", "every_s", type=Duration(), default=EVERY_S, show_default="5s", metavar="TIME", help="Between two looks."
)
@json_option
@admin_url_option
def autoscale(
    functions: Sequence[str],
    once: bool,  # noqa: FBT001 - click passes it by name
    dry_run: bool,  # noqa: FBT001 - the same
    every_s: float,
    as_json: bool,  # noqa: FBT001 - the same
    admin_url: str,
) -> None:
    """Give functions as many instances as their load needs: those named, or all that have bounds.

    Watches what waits, what gets done, and each instance's CPU, memory and disk. The bounds are in
    function-configs/*.yaml. It runs until Ctrl-C, and prints a line when its decision about a function changes; with
    --json, an object a line for each look.

    \b
    Examples:
      alpes autoscale                          all functions, until Ctrl-C
      alpes autoscale --once --dry-run         what it would do now
      alpes autoscale pagos --json
    """  # noqa: D301 - \b is click's mark
    configs = scalable(function_configs.select(function_configs.load(), functions))
    admin = Admin(admin_url)
    scaler = Autoscaler(admin, configs, Looking(admin), dry_run=dry_run, at_once=once)
    shown = _Shown(as_json=as_json)
    with interruptible() as stop:
        lines = list(scaler.step())
        while not once:
            shown.show(lines)
            if stop.wait(every_s):
                return
            lines = list(scaler.step())
        # The first look is only what the second one is compared with.
        if not stop.wait(every_s):
            lines = list(scaler.step())
            shown.show(lines)
    for error in (line.error for line in lines if line.error):
        raise error


def scalable(configs: Sequence[PulsarFunctionConfig]) -> list[PulsarFunctionConfig]:
    """Return the functions that have bounds.

    Raises
    ------
    NothingToScaleError
        None has.
    """
    found = [config for config in configs if config.bounds]
    if not found:
        names = ", ".join(config.path.name for config in configs)
        raise NothingToScaleError(f"There are no bounds in {names}: write autoscale: {{min: 1, max: 4}} there.")
    return found


class _Shown:
    """Prints lines: all as JSON; for people only what isn't said already."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._said: dict[str, str] = {}

    def show(self, lines: Sequence[Line]) -> None:
        for line in lines:
            if self._as_json:
                print(json.dumps(line.as_json()), flush=True)
            elif line.changed or self._said.get(line.function) != line.kind:
                print(line.as_text(), flush=True)
            self._said[line.function] = line.kind
