"""Copies of the checkout, to start or to change in a test, and how their Pulsar runs."""

import shutil
from pathlib import Path

from local_stack.settings import PULSAR_MEMORY
from tests.lanes import BESIDE_OTHERS

ROOT = Path(__file__).parents[1]
JVM = {"ALPES_PULSAR_MEM": f"{PULSAR_MEMORY} -XX:TieredStopAtLevel=1"} if BESIDE_OTHERS else {}
"""Where several stacks run beside each other, a JVM that optimises less: it starts with half the CPU time."""


def copy(folder: Path) -> Path:
    """Copy the checkout as it is into ``folder``, which is made, without anything that a run has left in it."""
    return Path(
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    )
