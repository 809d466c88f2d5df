"""Copies of the checkout, to start or to change in a test, and how their Pulsar runs."""

import shutil
import subprocess
from pathlib import Path

from local_stack.settings import PULSAR_MEMORY
from tests.lanes import BESIDE_OTHERS

ROOT = Path(__file__).parents[1]
JVM = {"ALPES_PULSAR_MEM": f"{PULSAR_MEMORY} -XX:TieredStopAtLevel=1"} if BESIDE_OTHERS else {}
"""Where several stacks run beside each other, a JVM that optimises less: it starts with half the CPU time."""


def files(*patterns: str) -> list[Path]:
    """Return the checkout's files that match git's patterns, those not committed yet included; all without a pattern."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def copy(folder: Path) -> Path:
    """Copy the checkout as it is into ``folder``, which is made, without anything that a run has left in it."""
    return Path(
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    )
