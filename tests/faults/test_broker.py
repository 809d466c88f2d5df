"""A broker that is killed and comes back with its data, while the client goes on sending."""

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from client.orders import order_stream, random_seed
from tests.e2e.tienda import FUNCTIONS, ROOT, Tienda, note, wait_until
from tests.faults import breaking
from tests.faults.ordeal import SLOWER, Ordeal, often, settings_of
from tests.faults.progress import PROGRESS
from tests.lanes import PATIENCE

LONG_CHECKS_MS = 2 * PATIENCE * breaking.SLOW_CHECKS_MS
"""An instance that outlives its broker lives at least twice as long, since its consumers take a while to come back."""
CLIENT_ORDERS = often(long=6_000, short=1_200)
CLIENT_RATE = 40


def sending(stack: Tienda, orders: int, rate: float, seed: int, summary: Path) -> "subprocess.Popen[str]":
    """Run `alpes send`, which sends orders and follows them."""
    environment = {**os.environ, "PULSAR_SERVICE_URL": stack.service_url, "PULSAR_ADMIN_URL": stack.admin_url}
    options = ("--orders", str(orders), "--rate", str(rate), "--seed", str(seed), "--summary-json", str(summary))
    return subprocess.Popen(
        [sys.executable, "-m", "client", "send", *options],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.core
def test_orders_survive_kill_9_of_the_broker_and_old_instances_beside_new_ones(
    restored: Tienda, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    stack = restored
    # With checks so far apart instances outlive their broker, and work beside their successors.
    slow = replace(settings_of(stack), liveness_check_ms=LONG_CHECKS_MS)
    breaking.restart_broker(stack, liveness_check_ms=LONG_CHECKS_MS)
    together = 0.0
    summary = tmp_path / "summary.json"
    with Ordeal(stack, "kill -9 of the broker", total=True, size=SLOWER) as ordeal:
        seed = random_seed()
        client = sending(stack, CLIENT_ORDERS, CLIENT_RATE, seed, summary)
        request.addfinalizer(client.kill)
        # One that finds no broker when it starts says so, and ends.
        (first,) = order_stream(seed, 1)
        wait_until(lambda: first.id in stack.statuses("ordenes", first.id), 60, "the client sends")
        for _ in range(often(long=3, short=1)):
            ordeal.rest(0.5, 3.0)
            with ordeal.fault():
                breaking.kill_broker(stack)
                breaking.start_broker(stack, slow, wait=False)
            started = time.monotonic()
            ordeal.wait_normal()
            # Those that outlived their broker are connected again, beside their successors, and orders end.
            wait_until(lambda: min(map(stack.consumers, FUNCTIONS)) > 1, 30, "old and new instances both consume")
            ended = ordeal.probe.ended
            wait_until(lambda: ordeal.probe.ended > ended + PROGRESS, 30, "orders end")  # noqa: B023
            assert min(map(stack.consumers, FUNCTIONS)) > 1, "old instances are still there"
            together = max(together, time.monotonic() - started)
        said, _ = client.communicate(timeout=300)
        ordeal.finish()
        assert client.returncode == 0, said
        account = json.loads(summary.read_text())
        assert account["confirmed"] == CLIENT_ORDERS
        note(
            f"kill -9 of the broker: {ordeal.load.resent} orders were sent again by the client; old and new instances"
            f" worked side by side for at least {together:.0f} s"
        )
