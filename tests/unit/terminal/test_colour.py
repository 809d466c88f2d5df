"""Colour: on a terminal alone, and never with NO_COLOR."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from terminal import progress
from terminal.console import make_console, table_console

CHECKOUT = Path(__file__).parents[3]
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])m")
COMMAND = [sys.executable, "-P", "-m", "client", "doctor", "--timeout", "10"]


def _environment(home: Path, **more: str) -> dict[str, str]:
    mine = {
        "ALPES_HOME": str(home / "stack"),
        "XDG_CONFIG_HOME": str(home),
        "ALPES_PORT_OFFSET": "11000",
        "TERM": "xterm",
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALPES", "PULSAR", "NO_COLOR"))}
    return kept | mine | {"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'runtime'}"} | more


def _on_a_terminal(environment: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    with subprocess.Popen(COMMAND, env=environment, stdin=theirs, stdout=theirs, stderr=theirs):
        os.close(theirs)
        said = b""
        try:
            while block := os.read(ours, 4096):
                said += block
        except OSError:  # how a terminal's end shows here
            pass
    os.close(ours)
    return said.decode()


@pytest.mark.parametrize(("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)], ids=["plain", "NO_COLOR"])
def test_a_terminal_has_colour_unless_no_color_is_set(tmp_path: Path, more: dict[str, str], coloured: bool) -> None:
    said = _on_a_terminal(_environment(tmp_path, **more))
    assert "problem" in said
    assert bool(COLOUR.search(said)) is coloured


def test_a_pipe_has_no_colour_and_no_progress_though_force_color_is_set(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    table_console().print("[red]red[/red]")
    make_console(stderr=True).print("[red]red[/red]")
    with progress.step("Looking", "Looked"):
        pass
    written = capsys.readouterr()
    assert (written.out, written.err) == ("red\n", "red\nLooking …\nLooked in 0.0 s.\n")


def test_a_pipe_has_neither_colour_nor_other_controls(tmp_path: Path) -> None:
    environment = _environment(tmp_path, FORCE_COLOR="1")
    done = subprocess.run(COMMAND, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 1, done.stderr
    assert "\x1b" not in done.stdout + done.stderr
