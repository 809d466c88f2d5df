"""Ten thousand seeds of the system under everything that can go wrong, and what the simulation itself promises.

`ALPES_SEEDS=500 ./test.sh tests/simulation` runs fewer, `python -m tests.simulation SEED` shows one step by step.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(3600)
def test_nothing_is_lost_nor_paid_twice_whatever_happens_between_any_two_steps() -> None:
    done = simulate("--seeds", os.environ.get("ALPES_SEEDS", "10000"))
    print(done.stdout)
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-3000:]}"


def test_a_seed_happens_the_same_way_every_time() -> None:
    first, second = simulate("7"), simulate("7")
    assert len(first.stdout.splitlines()) > 300
    assert first.stdout == second.stdout
    assert "everything held" in first.stdout
