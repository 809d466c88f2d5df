"""The process of a report, from its function's side: it ends with all that it started, and holds up nothing."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from functions.reporting import child
from functions.reporting.child import Limits
from functions.reporting.making.frames import Frame, Kind
from functions.reporting.making.request import Request

REQUEST = Request("orders", "csv", {}, 0, None, None, "UTC", "created", 60, "")
HELPED = """
import subprocess, sys
from functions.reporting.making.frames import Frame, Kind
helper = subprocess.Popen(["sleep", "60"])
for frame in (Frame(Kind.CONTENT, b"%d" % helper.pid), Frame(Kind.WHOLE)):
    sys.stdout.buffer.write(frame.encoded())
sys.stdout.flush()
helper.wait()
"""


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[Frame]]:
    """Returns what a process of this code says."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def frames(code: str) -> list[Frame]:
        (tmp_path / "sample_program.py").write_text(code)
        found = child.frames(REQUEST, Limits(60, 512), lambda: False, "sample_program")
        return [frame for frame in found if frame.kind is not Kind.ALIVE]

    return frames


def test_what_the_process_started_ends_with_the_report(said: Callable[[str], list[Frame]]) -> None:
    content, whole = said(HELPED)
    assert whole.kind is Kind.WHOLE
    with suppress(psutil.NoSuchProcess):
        helper = psutil.Process(int(content.data))
        deadline = time.monotonic() + 10
        while helper.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the helper runs on"
            time.sleep(0.02)


def test_a_process_that_closes_its_output_and_goes_on_is_given_up(
    said: Callable[[str], list[Frame]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "ENDS_S", 0.2)
    with pytest.raises(child.GivenUp, match="closed its output before the report was whole, and went on"):
        said("import os, time\nos.close(1)\ntime.sleep(30)\n")
