"""`alpes show`: an order's status."""

from __future__ import annotations

import re

import click

from client.admin import Admin
from client.commands.options import admin_url_option
from client.state import order_status

ORDER_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")


@click.command()
@click.argument("order_id")
@admin_url_option
def show(order_id: str, admin_url: str) -> None:
    """Show the status of one order.

    Asks Pulsar's state store, so no database credentials are needed. The store follows behind the
    tables, by moments as a rule, by more under load; the table `ordenes` is the record.

    \b
    Example:
      alpes show 5f0c2a9e-6f6b-4c58-9d6b-0c0f3f3f9b1e
    """  # noqa: D301 - \b is click's mark
    if not ORDER_ID.fullmatch(order_id):
        raise click.BadParameter("an order id is 1 to 128 characters of A-Z a-z 0-9 . _ -", param_hint="ORDER_ID")
    click.echo(order_status(Admin(admin_url), order_id))
