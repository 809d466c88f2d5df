"""Runs the functions with other settings or instances, or stops them, and undoes the change at the end."""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from bench.errors import BenchError
from bench.system import SERVICES, System
from deployment import instances, releases
from deployment.function_configs import PulsarFunctionConfig

Changes = Mapping[str, Mapping[str, Any]]
"""Changed values of userConfig, by function and key."""

CLI_AT_ONCE = 2
"""Each call of `pulsar-admin` is a JVM that keeps a core busy."""
GONE_S = 60.0
POLL_S = 0.3

WITHOUT_STATE: Changes = {"ordenes": {"state_per_order": False}, "reporting": {"totals_per_status": False}}
BATCHES_OF_ONE: Changes = {service: {"batch_max": 1} for service in SERVICES}
THROUGH_RUNTIME: Changes = {service: {"intake": "runtime"} for service in SERVICES}


def user_config(system: System, function: str) -> dict[str, Any]:
    """Return the userConfig that a function runs with."""
    return dict(system.api.get(system.configs[function].rest_path)["userConfig"])


def parallelism(system: System, function: str) -> int:
    """Return how many instances a function has."""
    return int(system.api.get(system.configs[function].rest_path)["parallelism"])


@contextmanager
def configured(system: System, changes: Changes) -> Iterator[None]:
    """Run functions with these changes, and undo them at the end. Without changes, nothing is restarted."""
    before = {function: user_config(system, function) for function in changes}
    try:
        _update(system, {function: before[function] | dict(changes[function]) for function in changes})
        yield
    finally:
        _update(system, before)


@contextmanager
def scaled(system: System, wanted: Mapping[str, int]) -> Iterator[None]:
    """Run so many instances of each function, and as many as before at the end."""
    before = {function: parallelism(system, function) for function in wanted}
    try:
        _scale(system, wanted)
        yield
    finally:
        _scale(system, before)


@contextmanager
def stopped(system: System) -> Iterator[None]:
    """Stop all instances, and start them at the end. Subscriptions and their backlogs stay."""
    try:
        _each(SERVICES, lambda function: _command(system, function, "stop"))
        _wait(lambda: not any(_running(system, function) for function in SERVICES), "the instances have gone")
        yield
    finally:
        _each(SERVICES, lambda function: _command(system, function, "start"))
        for function in SERVICES:
            _wait_running(system, function)


def _update(system: System, configs: Mapping[str, Mapping[str, Any]]) -> None:
    def one(function: str) -> None:
        # An update replaces userConfig as a whole.
        _command(system, function, "update", "--user-config", json.dumps(configs[function]))

    _each(list(configs), one)
    for function in configs:
        _wait_running(system, function, replaced=True)


def _scale(system: System, wanted: Mapping[str, int]) -> None:
    changing = {function: number for function, number in wanted.items() if parallelism(system, function) != number}
    _each(list(changing), lambda function: releases.scale(system.configs[function], changing[function], system.cli))
    for function in changing:
        _wait_running(system, function, replaced=True)


def _each(functions: Sequence[str], work: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(CLI_AT_ONCE) as pool:
        list(pool.map(work, functions))


def _command(system: System, function: str, command: str, *arguments: str) -> None:
    tenant, namespace = system.configs[function].namespace.split("/")
    name = ("--tenant", tenant, "--namespace", namespace, "--name", function)
    system.cli.functions(command, *name, *arguments)


def _wait_running(system: System, function: str, *, replaced: bool = False) -> None:
    config: PulsarFunctionConfig = system.configs[function]
    instances.wait_running(config, system.api, parallelism(system, function), replaced=replaced)


def _running(system: System, function: str) -> int:
    found = instances.find(system.configs[function], system.api)
    return found.running if found else 0


def _wait(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + GONE_S
    while not holds():
        if time.monotonic() > deadline:
            raise BenchError(f"Waited {GONE_S:.0f} s in vain until {what}: see ./deploy.sh status")
        time.sleep(POLL_S)
