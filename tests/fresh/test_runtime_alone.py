"""The runtime without the rest: built, installed into an empty environment, and used as its README says."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.documented import ROOT, run_the_readmes_test


def test_an_outside_project_installs_the_runtime_and_runs_the_readmes_function(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "runtime", tmp_path / "runtime", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    python = str(tmp_path / "environment" / "bin" / "python")
    run(tmp_path, sys.executable, "-m", "venv", "environment")
    run(tmp_path, python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "wheels", "./runtime")
    (wheel,) = (tmp_path / "wheels").iterdir()
    run(tmp_path, python, "-m", "pip", "install", "--quiet", str(wheel))
    run_the_readmes_test(python, tmp_path)


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
