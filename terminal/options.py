"""Options that several subcommands share."""

from __future__ import annotations

import math
from typing import Any

import click


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
