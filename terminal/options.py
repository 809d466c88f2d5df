"""Options that several subcommands share."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import tzlocal

from schemas.tienda import times
from terminal.settings import ADMIN_URL, SERVICE_URL, Setting

SECONDS_OF = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,9})?)(?P<unit>ms|s|m|h|)")


class Positive(click.FloatRange):
    """A finite number above 0, or from 0 on."""

    def __init__(self, *, zero: bool = False) -> None:
        super().__init__(min=0, min_open=not zero)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            least = "above 0" if self.min_open else "from 0 on"
            self.fail(f"{value} is no finite number {least}.", param, ctx)
        return number


class Duration(click.ParamType[float]):
    """A time in seconds: `30`, `500ms`, `10s`, `5m` or `1h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds."""
        if isinstance(value, int | float):
            value = f"{value}"
        found = DURATION.fullmatch(value)
        seconds = float(found["number"]) * SECONDS_OF[found["unit"]] if found else 0.0
        if not seconds:
            self.fail(f"{value!r} is no time above 0, such as 500ms, 10s, 5m or 1h", param, ctx)
        return seconds


class Zone(click.ParamType[ZoneInfo]):
    """A time zone, by its IANA name."""

    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        """Return the zone."""
        if isinstance(value, ZoneInfo):
            return value
        try:
            return times.zone(value)
        except times.UnknownTime as error:
            self.fail(str(error), param, ctx)


def machines_zone() -> ZoneInfo:
    """Return the zone of this machine: that of the variable TZ, or of /etc; UTC if neither has a zone's name."""
    try:
        return times.zone(tzlocal.get_localzone_name() or "UTC")
    except (times.UnknownTime, ZoneInfoNotFoundError):
        return times.zone("UTC")


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a script.")

tz_option = click.option(
    "--tz",
    "zone",
    type=Zone(),
    default=machines_zone,
    show_default="this machine's",
    metavar="ZONE",
    help="Show times in this time zone: an IANA name, such as America/Bogota.",
)


def system_option(setting: Setting, metavar: str, name: str = "") -> Callable[[Any], Any]:
    """Return the option that says where a part of the system is.

    Parameters
    ----------
    setting
        What it sets.
    metavar
        What stands for its value in the help.
    name
        The option's name, if it isn't the setting's.
    """
    return click.option(
        name or f"--{setting.key}",
        envvar=setting.variable,
        default=setting.default or None,
        metavar=metavar,
        show_default=bool(setting.default),
        show_envvar=True,
        help=setting.help,
    )


service_url_option = system_option(SERVICE_URL, "URL")
admin_url_option = system_option(ADMIN_URL, "URL")
