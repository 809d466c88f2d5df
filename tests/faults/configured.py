"""Gives a function other userConfig for a while."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e.tienda import Tienda, wait_until


@contextmanager
def configured(stack: Tienda, function: str, **changes: Any) -> Iterator[None]:
    """Run a function with these changes of its userConfig, and with what it had afterwards."""
    before = stack.user_config(function)
    configure(stack, function, before | changes)
    try:
        yield
    finally:
        configure(stack, function, before)


def configure(stack: Tienda, function: str, config: dict[str, Any]) -> None:
    """Set a function's userConfig, and wait until only instances that have it run."""
    old = stack.processes(function)
    stack.update(function, "--user-config", json.dumps(config))
    wait_until(lambda: not any(process.is_running() for process in old), 60, "the old instance has gone")
    wait_until(lambda: stack.running(function), 60, "the new one runs")
