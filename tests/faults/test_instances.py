"""Instances are killed or stopped while orders flow."""

import pytest

from tests.e2e.tienda import FUNCTIONS, Tienda, wait_until
from tests.faults import breaking
from tests.faults.ordeal import Ordeal, often

KILLS = often(long=20, short=1)


@pytest.mark.parametrize("parallelism", [1, 2])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_orders_survive_kill_9_of_an_instance_at_random_moments(stack: Tienda, function: str, parallelism: int) -> None:
    if parallelism > 1:
        breaking.scale(stack, function, parallelism)
    try:
        # With one instance nothing ends until its successor runs.
        with Ordeal(stack, f"kill -9 of {function}, parallelism {parallelism}", total=parallelism == 1) as ordeal:
            for _ in range(KILLS):
                ordeal.rest(0.1, 2.0)
                with ordeal.fault():
                    victims = stack.processes(function)
                    assert victims, "an instance runs"
                    victim = ordeal.random.choice(sorted(victims, key=lambda process: process.pid))
                    breaking.kill(victim)
                    wait_until(lambda: len(stack.processes(function)) == parallelism, 30, "its successor is there")
                ordeal.wait_normal_sometimes()
            ordeal.finish()
    finally:
        if parallelism > 1:
            breaking.scale(stack, function, 1)
