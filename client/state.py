"""Asks the state store for an order's status, over Pulsar's admin REST API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from client.admin import reason_of
from client.errors import ClientError, NotDeployedError, StateUnavailableError, UnknownOrderError, UnreachableError
from client.topics import NAMESPACE

FUNCTION = "ordenes"
TIMEOUT_SECONDS = 10.0

ADVICE = "Start it with ./deploy.sh up, or name another address with --admin-url or PULSAR_ADMIN_URL."


def order_status(admin_url: str, order_id: str) -> str:
    """Give an order's latest status as the state store has it.

    Parameters
    ----------
    admin_url
        Such as `http://127.0.0.1:8080`.
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
    if urlsplit(admin_url).scheme not in {"http", "https"} or not urlsplit(admin_url).hostname:
        raise UnreachableError(
            f"{admin_url!r} is no address of Pulsar's admin API: it looks like http://127.0.0.1:8080."
        )
    url = f"{admin_url.rstrip('/')}/admin/v3/functions/{NAMESPACE}/{FUNCTION}/state/{quote(order_id, safe='')}"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - http or https, see above
            body = answer.read()
    except urllib.error.HTTPError as problem:
        raise explain(problem.code, problem.read(), admin_url, order_id) from problem
    except (urllib.error.URLError, OSError) as problem:
        reason = getattr(problem, "reason", problem)
        raise UnreachableError(
            f"No Pulsar admin API at {admin_url} ({getattr(reason, 'strerror', None) or reason}). {ADVICE}"
        ) from problem
    return parse_status(body, admin_url)


def parse_status(body: bytes, admin_url: str) -> str:
    """Take the status out of the admin API's answer.

    Raises
    ------
    UnreachableError
        If that is no answer of Pulsar's admin API.
    """
    try:
        state = json.loads(body)
        # Bytes that are text arrive as text; others would be a list of numbers, and are none of ours.
        return str(state["stringValue"])
    except (ValueError, KeyError, TypeError) as problem:
        raise UnreachableError(
            f"What listens at {admin_url} does not answer as Pulsar's admin API. {ADVICE}"
        ) from problem


def explain(code: int, body: bytes, admin_url: str, order_id: str) -> ClientError:
    """Say what an error of the admin API means for whoever asked about an order."""
    reason = reason_of(body)
    if code == HTTPStatus.NOT_FOUND:
        if f"'{FUNCTION}' is not found" in reason:
            return NotDeployedError(
                f"Pulsar at {admin_url} has no function {NAMESPACE}/{FUNCTION}. Deploy it with ./deploy.sh deploy."
            )
        return UnknownOrderError(
            f"The state store knows no order {order_id}. "
            "It follows behind the tables: if the order is new, ask again in a few seconds."
        )
    if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return ClientError(f"Pulsar at {admin_url} lets us not read the state: {reason or code}.")
    return StateUnavailableError(
        f"The state store behind {admin_url} can't answer now (HTTP {code}{': ' + reason if reason else ''}). "
        "Just after a start this passes in seconds; if it does not, see ./deploy.sh status."
    )
