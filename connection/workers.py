"""Finds a function worker from a broker that has none: workers apart from brokers answer at addresses of their own."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from connection.errors import RefusedError

COORDINATION = "/admin/v2/persistent/public/functions/coordinate/stats"
"""The topic through which function workers know each other; each has one consumer there."""
PATHS = ("/admin/v3/functions/", "/admin/v2/worker")
"""What only a function worker answers."""


def is_elsewhere(path: str, error: RefusedError) -> bool:
    """Return whether a broker has refused a path since it runs no function worker."""
    return path.startswith(PATHS) and error.code == HTTPStatus.CONFLICT and "not enabled" in error.reason


def addresses(stats: dict[str, Any], scheme: str) -> Iterator[str]:
    """Yield the address of each worker, from the figures of the topic `COORDINATION`.

    A worker's consumer is named ``id:host:port``.
    """
    for subscription in (stats.get("subscriptions") or {}).values():
        for consumer in subscription.get("consumers") or []:
            _, _, place = str(consumer.get("consumerName") or "").partition(":")
            host, _, port = place.rpartition(":")
            if host and port.isdecimal():
                yield f"{scheme}://{host}:{port}"
