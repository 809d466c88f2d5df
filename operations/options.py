"""Options that several of the operators' subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from operations.database import dsn_variable
from schemas.tienda import orden


class _OrderId(click.ParamType[str]):
    name = "order id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not orden.ORDER_ID.fullmatch(value):
            self.fail("an order id is 1 to 128 characters of A-Z a-z 0-9 . _ -", param, ctx)
        return str(value)


ORDER_ID = _OrderId()

statement_timeout_option = click.option(
    "--statement-timeout",
    type=click.IntRange(min=1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long one statement may take.",
)


def dsn_option(service: str, name: str = "") -> Callable[[Any], Any]:
    """Return the option that names a service's database: ``name``, or the service's environment variable."""
    return click.option(
        name or f"--{service}-dsn",
        envvar=dsn_variable(service),
        metavar="DSN",
        show_envvar=True,
        help=f"Database of {service.capitalize()}.",
    )
