"""The options that several subcommands have."""

from __future__ import annotations

import math
import re
from typing import Any

import click


class Positive(click.FloatRange):
    """A number above 0, or from 0 on, and one that can be waited for: neither nan nor inf."""

    def __init__(self, *, zero: bool = False) -> None:
        super().__init__(min=0, min_open=not zero)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Give the number."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            least = "above 0" if self.min_open else "from 0 on"
            self.fail(f"{value} can't be; give a finite number {least}.", param, ctx)
        return number


_ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


class _OrderId(click.ParamType[str]):
    name = "order id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _ORDER_ID.fullmatch(value):
            self.fail("an order id is 1 to 128 characters of A-Z a-z 0-9 . _ -", param, ctx)
        return str(value)


ORDER_ID = _OrderId()

service_url_option = click.option(
    "--service-url",
    envvar="PULSAR_SERVICE_URL",
    default="pulsar://127.0.0.1:6650",
    metavar="URL",
    show_default=True,
    show_envvar=True,
    help="Address of the Pulsar broker.",
)

admin_url_option = click.option(
    "--admin-url",
    envvar="PULSAR_ADMIN_URL",
    default="http://127.0.0.1:8080",
    metavar="URL",
    show_default=True,
    show_envvar=True,
    help="Address of Pulsar's admin API.",
)
