"""Options that several subcommands share."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import tzlocal

from schemas.tienda import times
from terminal.settings import ADMIN_URL, SERVICE_URL, Setting

WHOLE = re.compile(r"-?[0-9]{1,30}")
SECONDS_OF = {"ms": 0.001, "": 1, "s": 1, "m": 60, "h": 3600}
DURATION = re.compile(r"(?P<number>[0-9]{1,9}(\.[0-9]{1,9})?)(?P<unit>ms|s|m|h|)")


MOST = 1_000_000_000
"""The largest number that `Positive` takes."""


class Positive(click.ParamType[float]):
    """A number above 0, or from 0 on."""

    name = "number"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not (0 < number <= MOST or (self._zero and number == 0)):
            least = "from 0" if self._zero else "above 0"
            self.fail(f"{_shown(value)} is no number {least}, up to {MOST:,}", param, ctx)
        return number


class Whole(click.ParamType[int]):
    """A whole number within limits.

    Parameters
    ----------
    least, most
        The limits; without `most`, any number from `least` on.
    """

    name = "whole number"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        text = str(value)
        number = int(text) if WHOLE.fullmatch(text) else None
        if number is None or number < self._least or (self._most is not None and number > self._most):
            limits = f"from {self._least:,} on" if self._most is None else f"from {self._least:,} to {self._most:,}"
            self.fail(f"{_shown(value)} is no whole number {limits}", param, ctx)
        return number


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text if len(text) <= 40 else f"{text[:40]}…")


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


def zone_of_environment() -> ZoneInfo | None:
    """Return the zone that the variable TZ names; None if it is empty.

    Raises
    ------
    UnknownTime
        It names no zone.
    """
    named = os.environ.get("TZ", "").removeprefix(":").rpartition("/zoneinfo/")[2]
    return times.zone(named) if named else None


def machines_zone() -> ZoneInfo:
    """Return the zone of this machine: that of the variable TZ, or of /etc; UTC if neither has a zone's name."""
    try:
        if zone := zone_of_environment():
            return zone
    except times.UnknownTime as error:
        zone = _zone_of_etc()
        click.echo(f"TZ is of no use, so times are shown in {zone.key}: {error}.", err=True)
        return zone
    return _zone_of_etc()


def _zone_of_etc() -> ZoneInfo:
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
