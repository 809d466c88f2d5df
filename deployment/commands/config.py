"""`alpes config`: shows every setting that is in force, and where it is from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from rich.table import Table

from client.sources import ENVIRONMENT, FILE, LOCAL_STACK, Sources
from local_stack.settings import from_environment
from schemas.tienda.times import UnknownTime
from terminal.console import table_console
from terminal.masking import masked
from terminal.options import admin_url_option, json_option, service_url_option, tz_option, zone_of_environment
from terminal.settings import ADMIN_URL, CONFIG_FILE, SERVICE_URL, SETTINGS
from terminal.text import one_line

FLAG, DEFAULT = "flag", "default"


@dataclass(frozen=True)
class InForce:
    """A setting, as it counts now.

    Attributes
    ----------
    setting : str
        Its environment variable, or the option that the file sets, such as `send.rate`.
    value : str or None
        Its value, without secrets; None if it has none.
    source : str
        `flag`, `environment`, `file`, `.alpes` or `default`.
    """

    setting: str
    value: str | None
    source: str


@click.command()
@service_url_option
@admin_url_option
@tz_option
@json_option
@click.pass_context
def config(ctx: click.Context, /, *, as_json: bool, **_options: Any) -> None:
    """Show every setting that is in force, and where it is from.

    A flag goes before the environment, the environment before the file, and the file before the
    local stack of this checkout (.alpes). Once one of them names a Pulsar, those after it don't say
    where the system is: their databases would be another system's. Passwords and tokens are masked.

    \b
    Examples:
      alpes config
      alpes config --json
      alpes config --service-url pulsar://other:6650
    """  # noqa: D301 - \b is click's mark
    sources = ctx.obj if isinstance(ctx.obj, Sources) else Sources()
    found = list(in_force(sources, ctx))
    if as_json:
        print(json.dumps({"file": str(sources.file), "settings": [asdict(each) for each in found]}, indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("setting", "value", "from"):
        table.add_column(column, overflow="fold")
    for each in found:
        style = "dim" if each.source == DEFAULT else ""
        table.add_row(each.setting, "-" if each.value is None else one_line(each.value), each.source, style=style)
    table_console().print(table)


def in_force(sources: Sources, ctx: click.Context) -> Iterator[InForce]:
    """Yield each setting as it counts now: those of the registry, the local stack's others, and those of the file."""
    flags = {
        variable: str(ctx.params[name])
        for variable, name in ((SERVICE_URL.variable, "service_url"), (ADMIN_URL.variable, "admin_url"))
        if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    defaults = _defaults(sources)
    registered = {setting.variable for setting in SETTINGS}
    for setting in SETTINGS:
        name = setting.variable
        if name == "TZ":
            yield InForce(name, str(ctx.params["zone"]), _source_of_zone(ctx))
        elif name in flags:
            yield InForce(name, masked(name, flags[name]), FLAG)
        elif os.environ.get(name):
            yield InForce(name, masked(name, os.environ[name]), sources.origins.get(name, ENVIRONMENT))
        else:
            value, source = defaults.get(name, (setting.default or None, DEFAULT))
            yield InForce(name, value, source)
    for name, source in sources.origins.items():
        if name not in registered and (source != ENVIRONMENT or name.startswith("ALPES_")):
            yield InForce(name, masked(name, os.environ.get(name, "")), source)
    for key, table in sources.content.items():
        if isinstance(table, dict):
            yield from _options(key, table)


def _source_of_zone(ctx: click.Context) -> str:
    """Return where the zone is from. A variable that names none isn't in force."""
    match ctx.get_parameter_source("zone"):
        case ParameterSource.COMMANDLINE:
            return FLAG
        case ParameterSource.DEFAULT_MAP:
            return FILE
    with suppress(UnknownTime):
        return ENVIRONMENT if zone_of_environment() else DEFAULT
    return DEFAULT


def _defaults(sources: Sources) -> dict[str, tuple[str, str]]:
    """Return the values of this machine where nobody sets another, with where each is from."""
    local = from_environment()
    found = {
        "ALPES_HOME": (str(local.home), DEFAULT),
        "ALPES_CACHE": (str(local.cache), DEFAULT),
        "ALPES_PULSAR_VERSION": (local.version, DEFAULT),
        "ALPES_PULSAR_MEM": (local.memory, DEFAULT),
        CONFIG_FILE.variable: (_file(sources.file), DEFAULT),
    }
    if local.home.is_dir():
        found["ALPES_PORT_OFFSET"] = (str(local.ports.offset), LOCAL_STACK)
    return found


def _file(path: Path | None) -> str:
    return "none" if path is None else str(path) if path.exists() else f"{path} (not there)"


def _options(name: str, table: dict[str, Any]) -> Iterator[InForce]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _options(f"{name}.{key}", value)
        else:
            yield InForce(f"{name}.{key}", masked(key, str(value)), FILE)
