"""How a function's instances are, and waiting until they run."""

import time
from dataclasses import dataclass

from deployment.errors import FunctionFailedError
from deployment.function_configs import FunctionConfig
from deployment.rest import AdminApi

RUNNING_SECONDS = 90.0
POLL_SECONDS = 0.3


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
    config: FunctionConfig, api: AdminApi, parallelism: int, seconds: float = RUNNING_SECONDS
) -> Instances:
    """Wait until `parallelism` instances run.

    Raises
    ------
    FunctionFailedError
        They don't within `seconds`.
    """
    deadline = time.monotonic() + seconds
    while True:
        found = find(config, api)
        if found is not None and found.wanted == found.running == parallelism:
            return found
        if time.monotonic() > deadline:
            running = found.running if found else 0
            said = f" The worker says: {found.error}" if found and found.error else ""
            raise FunctionFailedError(
                f"Function {config.name}: {running} of {parallelism} instances run after {seconds:.0f} s.{said}"
                f" See ./deploy.sh logs {config.name}"
            )
        time.sleep(POLL_SECONDS)
