"""A stack ends the processes that it started, and never another one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack.processes import PidFile, stop, tail

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)",
)


@pytest.fixture
def note(tmp_path: Path) -> PidFile:
    return PidFile(tmp_path / "part.pid")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SLEEP)
    yield process
    process.kill()
    process.wait()


def test_the_noted_process_is_found_while_it_runs(note: PidFile, sleeper: subprocess.Popen[bytes]) -> None:
    assert note.running() is None
    note.write(sleeper.pid)
    assert note.running() == sleeper.pid


def test_a_process_that_was_killed_is_gone_even_before_it_is_reaped(
    note: PidFile, sleeper: subprocess.Popen[bytes]
) -> None:
    note.write(sleeper.pid)
    sleeper.kill()
    # Wait for its end, and leave the zombie.
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert note.running() is None


def test_another_process_with_the_noted_number_is_left_alone(note: PidFile, sleeper: subprocess.Popen[bytes]) -> None:
    note.write(sleeper.pid)
    content = json.loads(note.path.read_text())
    note.path.write_text(json.dumps({**content, "identity": "of another start"}))
    assert note.running() is None
    assert not stop(note, [(signal.SIGKILL, 1.0)])
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "123", "null", "[]", "{}", "not json", '{"pid": "x"}', '{"pid": 1}'])
def test_a_broken_note_names_nobody(note: PidFile, content: str) -> None:
    note.path.write_text(content)
    assert note.running() is None


def test_who_ignores_the_gentle_signal_gets_the_next(note: PidFile) -> None:
    with subprocess.Popen(STUBBORN, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        note.write(process.pid)
        assert stop(note, [(signal.SIGTERM, 0.2), (signal.SIGKILL, 10.0)])
    assert note.running() is None
    assert not note.path.exists()


def test_the_tail_of_a_log_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == ""
    (tmp_path / "some.log").write_text("one\ntwo\nthree\n")
    assert tail(tmp_path / "some.log", lines=2) == "two\nthree"
