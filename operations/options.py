"""The options that several of the operators' subcommands have."""

from __future__ import annotations

from typing import Any

import click

from schemas.tienda import orden


class _OrderId(click.ParamType[str]):
    name = "order id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not orden.ORDER_ID.fullmatch(value):
            self.fail("an order id is 1 to 128 characters of A-Z a-z 0-9 . _ -", param, ctx)
        return str(value)


ORDER_ID = _OrderId()
