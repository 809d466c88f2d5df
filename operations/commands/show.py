"""`alpes show`: an order as it stands."""

from __future__ import annotations

import json
from typing import NamedTuple
from zoneinfo import ZoneInfo

import click

from connection.admin import Admin
from operations.errors import AmbiguousOrderError, UnknownOrderError
from operations.options import ORDER_ID, dsn_option
from operations.state import order_status
from schemas.tienda import money
from terminal.options import admin_url_option, json_option, tz_option
from terminal.text import moment, one_line

STATEMENT_TIMEOUT_S = 30
NAMED = 5
"""How many orders are named if the ids of several begin alike."""
AFTER_EVERY_ID = "\x7f"
"""Sorts after every character of an id. So the ids that begin alike are a range, which the table's index finds."""


class _Orden(NamedTuple):
    """An order's row, as its statement in `show.sql` returns it."""

    order_id: str
    status: str
    version: int
    total_cents: int
    currency: str
    client_id: int
    address: str
    created_at_ms: int
    accepted_at_ms: int
    updated_at_ms: int
    transaction_id: str


@click.command()
@click.argument("order_id", type=ORDER_ID)
@json_option
@tz_option
@dsn_option("ordenes")
@admin_url_option
def show(
    order_id: str,
    as_json: bool,  # noqa: FBT001 - click passes it by name
    zone: ZoneInfo,
    ordenes_dsn: str | None,
    admin_url: str,
) -> None:
    """Show one order: its status, amount, client, address and times.

    Reads the table `ordenes` if ALPES_ORDENES_DSN names its database. There, the beginning of an id is enough if no
    other order's id begins so. Without it, asks Pulsar's state store, which has the status alone and lags behind the
    table: by moments as a rule, by more under load.

    Exits with 1 if there is no such order, or several.

    \b
    Examples:
      alpes show 5f0c2a9e-6f6b-4c58-9d6b-0c0f3f3f9b1e
      alpes show 5f0c                        the only order that begins so
      alpes show 5f0c --json | jq .status
    """  # noqa: D301 - \b is click's mark
    if ordenes_dsn:
        orden = _find(ordenes_dsn, order_id)
        described = {**orden._asdict(), "source": "table"}
        lines = _lines(orden, zone)
    else:
        status = order_status(Admin(admin_url), order_id)
        described = {"order_id": order_id, "status": status, "source": "state"}
        lines = {
            "order": order_id,
            "status": f"{status}, as the state store has it; with ALPES_ORDENES_DSN the table tells the rest",
        }
    if as_json:
        click.echo(json.dumps(described, indent=2))
    else:
        click.echo("\n".join(f"{name:<11}  {one_line(value)}" for name, value in lines.items()))


def _find(dsn: str, start: str) -> _Orden:
    # Slow to import, and not needed for the state store.
    from operations.database import database  # noqa: PLC0415
    from operations.queries import query  # noqa: PLC0415

    values = {"start": start, "end": start + AFTER_EVERY_ID, "most": NAMED + 1}
    with database("ordenes", dsn, statement_timeout_s=STATEMENT_TIMEOUT_S, read_only=True) as connection:
        found = [_Orden(*row) for row in connection.execute(query("ordenes", "show/beginning"), values)]
    return chosen(start, found)


def chosen(start: str, found: list[_Orden]) -> _Orden:
    """Return the order that an id, or the beginning of one, means, out of all that begin so, sorted by id.

    Raises
    ------
    UnknownOrderError
        If there is none.
    AmbiguousOrderError
        If there are several, and none has exactly this id.
    """
    if not found:
        raise UnknownOrderError(
            f"No order's id is {start}, or begins so. If it was sent just now, ask again in a second; "
            "alpes trace says whether it ever arrived."
        )
    if len(found) > 1 and found[0].order_id != start:
        names = ", ".join(orden.order_id for orden in found[:NAMED])
        more = ", …" if len(found) > NAMED else ""
        raise AmbiguousOrderError(f"Several orders' ids begin with {start}: {names}{more}. Give more of it.")
    return found[0]


def _lines(orden: _Orden, zone: ZoneInfo) -> dict[str, str]:
    lines = {
        "order": orden.order_id,
        "status": f"{orden.status}, version {orden.version}",
        "amount": money.amount(orden.total_cents, orden.currency),
        "client": str(orden.client_id),
        "address": orden.address,
        "created": f"{moment(orden.created_at_ms, zone)}, as the client says",
        "accepted": moment(orden.accepted_at_ms, zone),
        "changed": moment(orden.updated_at_ms, zone),
        "zone": zone.key,
    }
    return lines | ({"transaction": orden.transaction_id} if orden.transaction_id else {})
