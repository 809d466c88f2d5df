"""A log that can't be written ends no thread and keeps no instance from ending."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alpes_runtime._watchdog import EXIT_CODE

ROOT = Path(__file__).parents[3]
LIKE_PULSAR = """
import logging, logging.handlers, resource, sys
from alpes_runtime._function import BatchFunction
from alpes_runtime._watchdog import end_instance

class ToLog:
    def write(self, text):
        for line in text.rstrip().splitlines():
            logging.getLogger().error(line)
    def flush(self):
        pass

handler = logging.handlers.RotatingFileHandler(sys.argv[1], maxBytes=10_000_000, backupCount=5)
logging.getLogger().addHandler(handler)
sys.stderr = ToLog()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
BatchFunction()
for number in range(200):
    logging.getLogger().warning("line %d, and so long that the disk is full soon", number)
"""
ENDING = "end_instance(logging.getLogger())('a thread died')\n"


@pytest.mark.parametrize(("last", "code"), [("", 0), (ENDING, EXIT_CODE)], ids=["goes on", "ends"])
def test_a_full_disk_under_the_log_costs_only_lines(last: str, code: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIKE_PULSAR + last, str(tmp_path / "function.log")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert "line 0" in (tmp_path / "function.log").read_text()
