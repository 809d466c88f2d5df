"""How a function's instances are, and waiting until they run."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from connection.admin import Admin
from deployment.errors import FunctionFailedError
from deployment.function_configs import FunctionConfig
from local_stack import broker
from local_stack.settings import Settings

RUNNING_SECONDS = 90.0
POLL_SECONDS = 0.3
# An update is accepted before the worker ends the old instances: for so long what runs may still be those.
REPLACED_SECONDS = 5.0
# An instance that was restarted this often won't come up by itself.
MOST_RESTARTS = 3
# For so long an instance that is about to start may look like one that was stopped.
SETTLED_SECONDS = 3.0


@dataclass(frozen=True)
class Instance:
    """One instance of a function.

    Attributes
    ----------
    number : int
        Which of them, from 0 on.
    running : bool
        Whether it runs.
    stopped : bool
        Whether somebody stopped it (`pulsar-admin functions stop`): nothing starts it but `functions start`.
    restarts : int
        How often the worker restarted it.
    error : str
        What the worker says of one that doesn't run.
    """

    number: int
    running: bool
    stopped: bool
    restarts: int
    error: str


@dataclass(frozen=True)
class Instances:
    """The instances of one function.

    Attributes
    ----------
    wanted, running : int
        How many there should be, and are.
    each : tuple of Instance
        Every one that the worker tells of.
    """

    wanted: int
    running: int
    each: tuple[Instance, ...]

    @property
    def restarts(self) -> int:
        """How often any was restarted."""
        return sum(instance.restarts for instance in self.each)

    @property
    def stopped(self) -> int:
        """How many were stopped."""
        return sum(instance.stopped for instance in self.each)

    @property
    def error(self) -> str:
        """What the worker says of the first that doesn't run and has something to tell."""
        return next((instance.error for instance in self.each if instance.error), "")


def _instance(values: dict[str, Any]) -> Instance:
    status = values.get("status") or {}
    running, error = bool(status.get("running")), str(status.get("error") or "")
    return Instance(
        number=int(values["instanceId"]),
        running=running,
        # The worker says only that it has no process of it: of one that it starts or restarts it tells more.
        stopped=not running and not error and "workerId" in status and "latestUserExceptions" not in status,
        restarts=int(status.get("numRestarts", 0)),
        error=error,
    )


def find(config: FunctionConfig, api: Admin) -> Instances | None:
    """Ask the function worker; None when the function isn't there."""
    status = api.find(f"{config.rest_path}/status")
    if status is None:
        return None
    return Instances(
        wanted=int(status.get("numInstances", 0)),
        running=int(status.get("numRunning", 0)),
        each=tuple(map(_instance, status.get("instances") or [])),
    )


def find_settled(
    configs: Sequence[FunctionConfig], api: Admin, seconds: float = SETTLED_SECONDS
) -> dict[str, Instances | None]:
    """The same of several functions, by name; asked again for some seconds while one of them seems to be stopped."""
    deadline = time.monotonic() + seconds
    while True:
        found = {config.name: find(config, api) for config in configs}
        seems_stopped = any(each is not None and each.stopped for each in found.values())
        if not seems_stopped or time.monotonic() > deadline:
            return found
        time.sleep(POLL_SECONDS)


def processes(config: FunctionConfig, settings: Settings) -> dict[int, list[int]]:
    """The processes of a function's instances on a local stack, by the instance's number.

    One has two where a broker was killed, and its instances have not noticed yet.
    """
    found: dict[int, list[int]] = {}
    for pid, command in sorted(broker.function_processes(settings).items()):
        options = dict(pairwise(command))
        details = json.loads(options.get("--function_details", "{}").strip("'"))
        if f"{details.get('tenant')}/{details.get('namespace')}/{details.get('name')}" == config.full_name:
            found.setdefault(int(options["--instance_id"]), []).append(pid)
    return found


def wait_running(
    config: FunctionConfig,
    api: Admin,
    parallelism: int,
    seconds: float = RUNNING_SECONDS,
    *,
    replaced: bool = False,
) -> Instances:
    """Wait until `parallelism` instances run.

    Parameters
    ----------
    config, api
        Which function, and where.
    parallelism : int
        How many instances.
    seconds : float
        How long to wait at most.
    replaced : bool
        Whether instances of before an update may still be there: they don't count.

    Raises
    ------
    FunctionFailedError
        They don't within `seconds`, or are restarted again and again.
    """
    started = time.monotonic()
    fewest_restarts: int | None = None
    while True:
        found = find(config, api)
        waited = time.monotonic() - started
        all_run = found is not None and found.wanted == found.running == parallelism
        replaced = replaced and all_run and waited < REPLACED_SECONDS
        if found is not None and all_run and not replaced:
            return found
        restarts = found.restarts if found else 0
        fewest_restarts = restarts if fewest_restarts is None else min(fewest_restarts, restarts)
        if waited > seconds or restarts - fewest_restarts >= MOST_RESTARTS:
            running = found.running if found else 0
            said = f" The worker says: {found.error}." if found and found.error else ""
            raise FunctionFailedError(
                config.full_name,
                f"{running} of {parallelism} instances run after {waited:.0f} s and {restarts} restarts.{said}"
                f" See ./deploy.sh logs {config.name}",
            )
        time.sleep(POLL_SECONDS)
