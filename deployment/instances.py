"""How a function's instances are, and waiting until they run."""

import time
from dataclasses import dataclass

from deployment.errors import FunctionFailedError
from deployment.function_configs import FunctionConfig
from deployment.rest import AdminApi

RUNNING_SECONDS = 90.0
POLL_SECONDS = 0.3
# An update is accepted before the worker ends the old instances: for so long what runs may still be those.
REPLACED_SECONDS = 5.0
# An instance that was restarted this often won't come up by itself.
MOST_RESTARTS = 3


@dataclass(frozen=True)
class Instances:
    """The instances of one function.

    Attributes
    ----------
    wanted, running : int
        How many there should be, and are.
    restarts : int
        How often any was restarted.
    error : str
        What the worker says of one that doesn't run.
    """

    wanted: int
    running: int
    restarts: int
    error: str = ""


def find(config: FunctionConfig, api: AdminApi) -> Instances | None:
    """Ask the function worker; None when the function isn't there."""
    status = api.find(f"{config.rest_path}/status")
    if status is None:
        return None
    each = [instance.get("status") or {} for instance in status.get("instances") or []]
    return Instances(
        wanted=int(status.get("numInstances", 0)),
        running=int(status.get("numRunning", 0)),
        restarts=sum(int(instance.get("numRestarts", 0)) for instance in each),
        error=next((str(instance["error"]) for instance in each if instance.get("error")), ""),
    )


def wait_running(
    config: FunctionConfig,
    api: AdminApi,
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
