"""Copies of the checkout, to start or to change in a test, and how their Pulsar runs."""

import shutil
import subprocess
from pathlib import Path

from local_stack.settings import PULSAR_MEMORY
from tests.lanes import BESIDE_OTHERS

ROOT = Path(__file__).parents[1]
JVM = {"ALPES_PULSAR_MEM": f"{PULSAR_MEMORY} -XX:TieredStopAtLevel=1"} if BESIDE_OTHERS else {}
"""When several stacks run at once, their JVMs optimise less, and start with half the CPU time."""


def files(*patterns: str) -> list[Path]:
    """Return the files of the checkout, also those not committed yet; with patterns, only those that match one."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    return [path for name in listed.decode().split("\0") if name and (path := ROOT / name).is_file()]


def copy(folder: Path) -> Path:
    """Make ``folder``, and copy the checkout as it is into it, without what a run has left there."""
    return Path(
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    )
