"""Copies of the checkout, to start or to change in a test."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]


def copy(folder: Path) -> Path:
    """Copy the checkout as it is into ``folder``, which is made, without anything that a run has left in it."""
    return Path(
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info"))
    )
