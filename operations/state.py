"""Asks the state store for an order's status, over Pulsar's admin REST API."""

from __future__ import annotations

from http import HTTPStatus

from connection import functions
from connection.admin import Admin
from connection.errors import RefusedError
from operations.errors import NotDeployedError, StateUnavailableError, UnknownOrderError
from schemas.tienda.topics import NAMESPACE
from terminal.errors import CommandError

FUNCTION = "ordenes"


def order_status(admin: Admin, order_id: str) -> str:
    """Return an order's latest status as the state store has it.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    order_id
        The order.

    Raises
    ------
    UnreachableError
        If nothing there answers as Pulsar's admin API does.
    NotDeployedError
        If there is no function Ordenes.
    UnknownOrderError
        If the state store has no such order, or not yet.
    StateUnavailableError
        If the state store can't answer now.
    """
    try:
        return functions.state(admin, f"/admin/v3/functions/{NAMESPACE}/{FUNCTION}", order_id)
    except RefusedError as error:
        raise explain(error, admin.url, order_id) from error
    except (KeyError, TypeError) as error:
        raise admin.not_pulsar() from error


def explain(error: RefusedError, admin_url: str, order_id: str) -> CommandError:
    """Return the error to show when the admin API refuses to tell an order's state."""
    if error.code == HTTPStatus.NOT_FOUND:
        if f"'{FUNCTION}' is not found" in error.reason:
            return NotDeployedError(
                f"Pulsar at {admin_url} has no function {NAMESPACE}/{FUNCTION}. Deploy it with ./deploy.sh deploy."
            )
        return UnknownOrderError(
            f"The state store knows no order {order_id}. "
            "It lags behind the tables, and knows complete ids only: if the order is new, ask again in a few seconds."
        )
    return StateUnavailableError(
        f"The state store behind {admin_url} can't answer now "
        f"(HTTP {error.code}{': ' + error.reason if error.reason else ''}). "
        "Just after a start, it takes some seconds. If this goes on, see ./deploy.sh status."
    )
