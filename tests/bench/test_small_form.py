"""The benchmark's small form shows what the function worker costs; that ratio must not fall.

A machine that is busy with something else can lower a figure once; a change for the worse lowers it again.
"""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local_stack.settings import CHECKOUT
from tests.e2e.tienda import FIGURES

OUTPUT = CHECKOUT / "build" / "bench"
BASELINE = CHECKOUT / "bench" / "baselines" / "compare-quick.json"
PORT_OFFSET = "3400"
ATTEMPTS = 2
SECONDS, CLEAN_UP_SECONDS = 600, 120


def bench(*words: str) -> tuple[int, str]:
    """Run the small form, and remove its stack even if it takes too long."""
    command = [sys.executable, "-m", "bench", *words]
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=CLEAN_UP_SECONDS)
        return process.returncode, said


def compared(home: Path) -> str:
    """Compare once, and return the name of the JSON with the result."""
    options = ("--home", str(home), "--port-offset", PORT_OFFSET, "--output", str(OUTPUT))
    code, said = bench("compare", "--quick", "--without-limits", *options)
    assert code == 0, said
    (written,) = [line.split(": ", 1)[1] for line in said.splitlines() if line.startswith("Written: ")]
    return written


@pytest.mark.timeout(ATTEMPTS * (SECONDS + CLEAN_UP_SECONDS) + 60)
def test_the_function_worker_costs_no_more_than_it_did(tmp_path: Path) -> None:
    assert BASELINE.exists(), (
        "python -m bench compare --quick --without-limits makes one, with python -m bench gate --update"
    )
    verdicts = []
    for number in range(ATTEMPTS):
        code, said = bench("gate", compared(tmp_path / str(number)))
        FIGURES.extend(f"bench compare --quick: {line}" for line in said.splitlines() if "/" in line)
        if code == 0:
            return
        assert "FELL" in said, said
        verdicts.append(said)
    pytest.fail("\n".join(verdicts))
