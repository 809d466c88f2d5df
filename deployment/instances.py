"""Asks how a function's instances are, and waits until they run."""

import json
import time
from collections.abc import Sequence
from itertools import pairwise

from connection import functions
from connection.admin import Admin
from connection.errors import AdminUnreachableError, RefusedError
from connection.functions import Instances
from deployment.errors import FunctionFailedError
from deployment.function_configs import PulsarFunctionConfig
from local_stack import broker
from local_stack.settings import Settings

RUNNING_S = 90.0
POLL_S = 0.3
# The worker accepts an update before it ends the old instances. So long after an update, old ones may still run.
REPLACED_S = 5.0
# After so many restarts, an instance won't come up by itself.
MOST_RESTARTS = 3
# For so long, an instance that is about to start may look stopped.
SETTLED_S = 3.0


def find(config: PulsarFunctionConfig, api: Admin) -> Instances | None:
    """Return a function's instances as the function worker sees them; None when the function doesn't exist."""
    return functions.instances(api, config.rest_path)


def find_settled(
    configs: Sequence[PulsarFunctionConfig], api: Admin, seconds: float = SETTLED_S
) -> dict[str, Instances | None]:
    """Return several functions' instances by name. While one seems to be stopped, ask again, for up to `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = {config.name: find(config, api) for config in configs}
        seems_stopped = any(each is not None and each.stopped for each in found.values())
        if not seems_stopped or time.monotonic() > deadline:
            return found
        time.sleep(POLL_S)


def processes(config: PulsarFunctionConfig, settings: Settings) -> dict[int, list[int]]:
    """Return the processes of a function's instances on a local stack, by the instance's number.

    An instance has two processes for a while after a broker was killed: the old one hasn't noticed yet.
    """
    found: dict[int, list[int]] = {}
    for pid, command in sorted(broker.function_processes(settings).items()):
        options = dict(pairwise(command))
        details = json.loads(options.get("--function_details", "{}").strip("'"))
        if f"{details.get('tenant')}/{details.get('namespace')}/{details.get('name')}" == config.full_name:
            found.setdefault(int(options["--instance_id"]), []).append(pid)
    return found


def wait_running(
    config: PulsarFunctionConfig,
    api: Admin,
    parallelism: int,
    seconds: float = RUNNING_S,
    *,
    replaced: bool = False,
) -> Instances:
    """Wait until all instances run.

    Parameters
    ----------
    parallelism : int
        How many were asked for. If somebody sets another number meanwhile, such as `alpes autoscale`, that one counts.
    seconds : float
        The longest wait.
    replaced : bool
        Whether the function was just updated: its old instances may still run, and don't count.

    Raises
    ------
    FunctionFailedError
        They don't run within `seconds`, or the worker restarts them again and again.
    """
    started = time.monotonic()
    fewest_restarts: int | None = None
    found: Instances | None = None
    unanswered = ""
    wanted = parallelism
    while True:
        try:
            found, unanswered = find(config, api), ""
            wanted = int((api.find(config.rest_path) or {}).get("parallelism", parallelism))
        except (AdminUnreachableError, RefusedError) as error:
            # While a node is away, the worker waits for it in vain. What was known before may be right no more.
            found, unanswered = None, str(error)
        waited = time.monotonic() - started
        all_run = found is not None and found.wanted == found.running == wanted
        replaced = replaced and all_run
        # Another worker may answer, which hasn't heard of the number that was asked for.
        may_be_old = (replaced or wanted != parallelism) and waited < REPLACED_S
        if found is not None and all_run and not may_be_old:
            return found
        restarts = found.restarts if found else fewest_restarts or 0
        fewest_restarts = restarts if fewest_restarts is None else min(fewest_restarts, restarts)
        if waited > seconds or restarts - fewest_restarts >= MOST_RESTARTS:
            running = found.running if found else 0
            said = found.error if found else unanswered
            reason = f" The worker says: {said.rstrip('.')}." if said else ""
            raise FunctionFailedError(
                config.full_name,
                f"{running} of {wanted} instances run after {waited:.0f} s and {restarts} restarts.{reason}",
            )
        time.sleep(POLL_S)


def remark(found: Instances, asked: int) -> str:
    """Say that another number of instances is wanted than was asked for; empty if it is the same."""
    return "" if found.wanted == asked else f"somebody set {found.wanted} instances meanwhile, not {asked}"
