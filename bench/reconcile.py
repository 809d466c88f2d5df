"""Checks that a benchmark lost no order: the rate of a run that loses orders is worth nothing."""

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from bench.errors import BenchError, NotCleanError
from bench.system import System
from local_stack.settings import CHECKOUT
from terminal import progress

CLEAN, NOT_CLEAN = 0, 1
STATEMENT_S = 1_800


def require_clean(system: System) -> dict[str, Any]:
    """Run ``alpes reconcile``, and return the JSON that it prints.

    Raises
    ------
    BenchError
        ``alpes reconcile`` failed.
    NotCleanError
        Orders are lost or differ, or on a system of our own some have not ended.
    """
    command = [sys.executable, "-m", "client", "reconcile", "--json", "--statement-timeout", str(STATEMENT_S)]
    with progress.step("Checking that nothing is lost", "alpes reconcile looked at every order"):
        done = subprocess.run(
            command, env=system.variables(), cwd=CHECKOUT, capture_output=True, text=True, check=False
        )
    if done.returncode not in {CLEAN, NOT_CLEAN}:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise BenchError(f"alpes reconcile failed: {words[-1]}")
    account: dict[str, Any] = json.loads(done.stdout)
    # A system that others use, too, may have orders in flight and old dead letters.
    if found := findings(account, all_ended=system.own):
        raise NotCleanError(f"alpes reconcile is not clean: {found}. Run it on the stack to see which orders.")
    return account


def findings(account: Mapping[str, Any], *, all_ended: bool) -> str:
    """Return what ``alpes reconcile`` found wrong, in words; empty when nothing is wrong. Pure.

    Parameters
    ----------
    account
        The JSON that ``alpes reconcile --json`` prints.
    all_ended
        Whether every order must have ended, and no dead letter may exist.
    """
    wrong = ["lost", "differs"]
    if all_ended:
        wrong += ["in_flight", "dead_lettered", "discarded"]
    counts = {verdict: sum(account.get(verdict, {}).values()) for verdict in wrong}
    words = [f"{count:,} {verdict.replace('_', ' ')}" for verdict, count in counts.items() if count]
    if all_ended and account.get("refused_messages"):
        words.append(f"{account['refused_messages']:,} dead letters of no order")
    return ", ".join(words) or ("" if account.get("holds") else "it does not hold")
