"""Breaks and mends parts of the local stack: kills, stops, restarts with other settings."""

import contextlib
import os
import signal
from collections.abc import Sequence
from dataclasses import replace

import psutil

from connection.errors import PulsarError
from local_stack import broker, credentials, ports, postgres
from local_stack import stack as local
from local_stack.settings import Settings
from tests.e2e.tienda import FUNCTIONS, Tienda, lives, wait_replaced, wait_until
from tests.faults.ordeal import settings_of

SLOW_CHECKS_MS = 30_000
"""Pulsar's default. With it, a stopped or orphaned instance lives on for some time."""


def kill(process: psutil.Process) -> None:
    """Kill a process, and wait until it has gone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.kill()
    wait_until(lambda: not lives(process), 10, f"process {process.pid} is gone", every=0.02)


def kill_broker(stack: Tienda) -> None:
    """End the broker as the kernel would: at once."""
    settings = settings_of(stack)
    pid = broker.pid_file(settings).running()
    assert pid is not None, "the broker runs"
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not lives(process), 10, "the broker is gone", every=0.05)
    # The last of its threads closes its sockets.
    listening = settings.ports.of_pulsar().values()
    wait_until(lambda: not any(map(ports.is_taken, listening)), 10, "its ports are free", every=0.05)


def start_broker(stack: Tienda, settings: Settings | None = None, *, wait: bool = True) -> None:
    """Start the broker with its data, and wait until every function runs.

    Parameters
    ----------
    stack, settings
        The system, and settings other than its own.
    wait
        Whether to wait for the functions.
    """
    local.up(settings or settings_of(stack))
    if wait:
        wait_functions(stack)


def wait_functions(stack: Tienda, seconds: float = 90) -> None:
    """Wait until all instances that should run are running."""
    wait_until(lambda: all_run(stack), seconds, "every function runs")


def all_run(stack: Tienda) -> bool:
    """Whether the worker says that every instance runs."""
    try:
        found = [instance for function in FUNCTIONS for instance in stack.instances(function)]
    except (OSError, PulsarError):
        # The worker has no answer about an instance that is just ending.
        return False
    return len(found) >= len(FUNCTIONS) and all(instance["running"] for instance in found)


def restart_broker(stack: Tienda, **changes: int | None) -> None:
    """Restart the broker gently, with other settings; without any, with the stack's own."""
    settings = settings_of(stack)
    broker.stop(settings)
    start_broker(stack, replace(settings, **changes) if changes else settings)  # type: ignore[arg-type]


def kill_postgres(stack: Tienda) -> None:
    """Shut PostgreSQL down immediately: no transaction is finished, and it recovers at its next start."""
    settings = settings_of(stack)
    pid = postgres.pid_file(settings).running()
    assert pid is not None, "PostgreSQL runs"
    process = psutil.Process(pid)
    os.kill(pid, signal.SIGQUIT)
    wait_until(lambda: not lives(process), 30, "PostgreSQL is gone", every=0.05)


def start_postgres(stack: Tienda) -> None:
    """Start PostgreSQL with its data."""
    settings = settings_of(stack)
    postgres.start(settings, credentials.load(settings))


def scale(stack: Tienda, function: str, number: int) -> None:
    """Change a function's parallelism with `pulsar-admin`, and wait until so many new instances run."""
    old = stack.processes(function)
    stack.update(function, "--parallelism", str(number))
    wait_replaced(stack, function, old)
    wait_until(
        lambda: stack.running(function) == number == len(stack.processes(function)), 90, f"{number} of {function} run"
    )


def scale_all(stack: Tienda, functions: Sequence[str], number: int) -> None:
    """Change the parallelism of several functions."""
    for function in functions:
        scale(stack, function, number)
