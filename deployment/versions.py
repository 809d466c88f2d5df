"""Knows holes of Pulsar's releases that concern a system of functions, and from which release on they are mended."""

from __future__ import annotations

import re
from collections.abc import Sequence

from connection.admin import Admin
from connection.errors import PulsarError
from deployment.target import Target

Version = tuple[int, int, int]

AFFECTED: Sequence[tuple[Version, Version]] = (((0, 0, 0), (4, 0, 14)), ((4, 1, 0), (4, 2, 5)))
"""From which release on, and before which one, Pulsar has `HOLES`. 5.0.0 has none of them."""
HOLES = {
    "CVE-2026-105926": "any client may read and register schemas of any topic, by the binary protocol",
    "CVE-2026-105927": "a WebSocket consumer may have dead letters written to any topic",
    "CVE-2026-105930": "who may create a function may download packages of other tenants",
    "CVE-2026-105931": "any client may read the statistics of other tenants' transactions",
    "CVE-2026-105935": "who may trigger a function may publish to its input without leave to produce there",
    "CVE-2026-105936": "any client may list the worker's connectors",
    "CVE-2026-105938": "backlogs may be cleared and subscriptions removed by roles that may not use the subscription",
    "CVE-2026-105945": "a package's name may lead to another tenant's package",
}
"""What each allows who is authenticated but not authorized. The names are those of cve.org, of October 2026."""


def parse(text: str) -> Version | None:
    """Return the three numbers with which a version begins; None if it doesn't."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text.strip())
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def mended_in(version: Version) -> Version | None:
    """Return the release that mends the holes of a version; None if it has none of them."""
    return next((end for begin, end in AFFECTED if begin <= version < end), None)


def warning(target: Target, api: Admin) -> str:
    """Return a line about the holes of the target's Pulsar, empty if it has none that matter.

    They let somebody who is authenticated do what he isn't authorized for. A local stack without authentication, where
    whoever reaches a port may do everything, is not warned of.
    """
    if target.local and target.admin_url.startswith("http:"):
        return ""
    try:
        text = api.text("/admin/v2/brokers/version").strip().strip('"')
    except PulsarError:
        return ""
    version = parse(text)
    mended = version and mended_in(version)
    if not mended:
        return ""
    return (
        f"Pulsar {text} has {len(HOLES)} known holes in its authorization ({min(HOLES)} to {max(HOLES)}): update it to"
        f" {'.'.join(map(str, mended))} or later. docs/operations.md, Versions of Pulsar, says what they allow."
    )
