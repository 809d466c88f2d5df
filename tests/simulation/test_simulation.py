"""Thousands of seeds hold, and a seed is replayed alike."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.tienda import note
from tests.simulation.checks import violations, without_faults
from tests.simulation.world import CALM, ORDERS, World

ROOT = Path(__file__).parents[2]
SEEDS = 10_000
"""With as many it fails, too, where two steps of a function were never interrupted."""


def simulate(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.timeout(1800)
def test_every_seed_holds() -> None:
    started = time.monotonic()
    done = simulate("--seeds", str(SEEDS), timeout=1700)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    note(f"simulation, {time.monotonic() - started:.0f} s; how often each pair of steps was cut:\n{done.stdout}")


def test_without_faults_every_order_ends_approved_or_rejected() -> None:
    world = World(7, CALM)
    world.run()
    assert violations(world) == []
    rows = world.servers["ordenes"].rows("ordenes")
    assert len(rows) == ORDERS
    assert {row["status"] for row in rows} == {"aprobada", "rechazada"}
    assert {tuple(row[c] for c in ("id", "status")) for row in rows} <= {
        (order["id"], order["status"]) for order in without_faults().values()
    }


def test_a_seed_is_replayed_step_by_step_and_always_alike() -> None:
    first, second = simulate("4711", timeout=300), simulate("4711", timeout=300)
    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert "ordenes commit" in first.stdout
    assert first.stdout.rstrip().endswith("everything held")
