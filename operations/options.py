"""Options that several of the operators' subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from schemas.tienda import orden
from terminal.options import Whole, system_option
from terminal.settings import dsn


class _OrderId(click.ParamType[str]):
    name = "order id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not orden.ORDER_ID.fullmatch(value):
            self.fail("an order id is 1 to 128 characters of A-Z a-z 0-9 . _ -", param, ctx)
        return str(value)


ORDER_ID = _OrderId()

statement_timeout_option = click.option(
    "--statement-timeout",
    type=Whole(1),
    default=300,
    show_default=True,
    metavar="SECONDS",
    help="How long one statement may take.",
)


def dsn_option(service: str, name: str = "") -> Callable[[Any], Any]:
    """Return the option that names a service's database: ``name``, or the service's environment variable."""
    return system_option(dsn(service), "DSN", name)
