"""Runs all checks at the same time. Each has a limit, and none can keep another from its finding."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Mapping

from connection.errors import AdminUnreachableError, PulsarError, UnreachableError
from deployment.doctor.finding import Finding, problem, skipped
from terminal.errors import CommandError

CHECKS = {
    "settings": "machine:settings",
    "python": "machine:python",
    "packages": "machine:packages",
    "disk": "machine:disk",
    "local stack": "machine:stack",
    "broker": "system:broker",
    "worker": "system:worker",
    "state store": "system:state",
    "databases": "system:databases",
    "schemas": "system:schemas",
    "functions": "system:functions",
    "clock": "system:clock",
}
"""The checks in the order in which they are shown. One is imported where it runs: a missing package is a finding."""


def examine(place: object, limit_s: float, checks: Mapping[str, str] = CHECKS) -> list[Finding]:
    """Run every check, and return what they find, within the limit.

    Parameters
    ----------
    place
        The `deployment.doctor.place.Place` to look at.
    limit_s
        How long all of it may take, in seconds. What isn't found by then is a problem.
    checks
        The module and the function of each check, by its name.
    """
    found: dict[str, list[Finding]] = {}
    threads = {
        name: threading.Thread(target=_run, args=(name, check, place, found), name=name, daemon=True)
        for name, check in checks.items()
    }
    deadline = time.monotonic() + limit_s
    for thread in threads.values():
        thread.start()
    for thread in threads.values():
        thread.join(max(0.0, deadline - time.monotonic()))
    late = f"no answer within {limit_s:g} s"
    return [
        finding
        for name in checks
        for finding in found.get(name, [problem(name, late, "Try again with a longer --timeout, or look at its log.")])
    ]


def _run(name: str, check: str, place: object, found: dict[str, list[Finding]]) -> None:
    module, _, function = check.partition(":")
    try:
        findings = list(getattr(importlib.import_module(f"{__package__}.{module}"), function)(place))
    except ImportError as error:
        findings = [problem(name, f"{error}", "Install the locked packages: ./deploy.sh up, or see the line packages.")]
    except UnreachableError as error:
        missing = "admin API" if isinstance(error, AdminUnreachableError) else "broker"
        findings = [skipped(name, f"not looked at, since no {missing} answers")]
    except (PulsarError, CommandError, OSError) as error:
        findings = [problem(name, " ".join(str(error).split()))]
    except Exception as error:  # noqa: BLE001 - one check's bug must not hide what the others found
        findings = [problem(name, f"the check itself failed: {error!r}", "Report it, with this line.")]
    found[name] = findings
