"""How quick a Python is, for the choice of one."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_speed_of_a_python_is_some_nanoseconds() -> None:
    command = [sys.executable, "-IS", str(ROOT / "scripts" / "interpreter_speed.py")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 1_000 < int(told) < 50_000_000
