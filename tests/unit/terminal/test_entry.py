"""How a command of `./deploy.sh` begins and ends, with any outputs, and interrupted at any time."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
COMMAND = """
from pathlib import Path
import click
from terminal import progress
from terminal.command_line import Group

@click.group("stub", cls=Group)
def commands():
    pass

@commands.command()
def work():
    with progress.step("Working", "Worked"):
        progress.say("At it.")
    print("result", flush=True)
    Path("done").touch()

def main():
    return commands.run(["work"])
"""


def _begin(folder: Path, module: str, shell: str = "") -> "subprocess.Popen[str]":
    (folder / "stub.py").write_text(module)
    python = f"{shlex.quote(sys.executable)} -c 'from terminal.entry import enter; enter(\"stub\")'"
    return subprocess.Popen(
        ["bash", "-c", f"exec {shell} {python}" if "|" not in shell else f"{python} {shell}"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": f"{CHECKOUT}:{folder}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _run(folder: Path, module: str, shell: str = "") -> tuple[int, str, str]:
    process = _begin(folder, module, shell)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def test_what_a_command_returns_is_its_exit_code(tmp_path: Path) -> None:
    assert _run(tmp_path, "def main():\n    return 3\n") == (3, "", "")


@pytest.mark.parametrize(
    ("lead", "why"), [(">&-", "it is closed"), (">/dev/full", "No space left on device")], ids=["closed", "full"]
)
def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path, lead: str, why: str) -> None:
    code, _, err = _run(tmp_path, COMMAND, lead)
    assert code == 1
    assert err.splitlines()[-1] == f"Can't write to standard output: {why}."
    assert "Traceback" not in err


def test_an_error_of_the_imports_is_one_line(tmp_path: Path) -> None:
    module = "from terminal.errors import CommandError\nraise CommandError('A file is wrong.')\n"
    assert _run(tmp_path, module) == (1, "", "A file is wrong.\n")


def test_a_reader_that_has_seen_enough_is_no_failure(tmp_path: Path) -> None:
    code, _, err = _run(tmp_path, COMMAND, '| true; exit "${PIPESTATUS[0]}"')
    assert code == 0
    assert err.splitlines()[-1].startswith("Worked in ")


@pytest.mark.parametrize(
    ("lead", "code", "why"),
    [
        (">/dev/full", 1, "Can't write to standard output: No space left on device.\n"),
        ('| true; exit "${PIPESTATUS[0]}"', 0, ""),
    ],
    ids=["full", "left"],
)
def test_help_that_cannot_be_written_is_one_line_or_none(tmp_path: Path, lead: str, code: int, why: str) -> None:
    module = COMMAND.replace('["work"]', '["--help"]')
    assert _run(tmp_path, module, lead) == (code, "", why)


@pytest.mark.parametrize("lead", ["2>&-", "2>/dev/full", "2> >(true)"], ids=["closed", "full", "left"])
def test_where_nobody_hears_of_the_work_it_is_done(tmp_path: Path, lead: str) -> None:
    code, out, _ = _run(tmp_path, COMMAND, lead)
    assert (code, out) == (0, "result\n")
    assert (tmp_path / "done").exists()


IMPORTING = """
import time
print("importing", flush=True)
time.sleep(30)
"""


@pytest.mark.parametrize("request_to_end", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_of_the_imports_is_no_traceback(tmp_path: Path, request_to_end: signal.Signals) -> None:
    with _begin(tmp_path, IMPORTING) as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.send_signal(request_to_end)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_a_request_to_end_reaches_what_a_shell_started_in_the_background(tmp_path: Path) -> None:
    # Where such a shell has Ctrl-C ignored.
    with _begin(tmp_path, IMPORTING, "env --ignore-signal=INT") as process:
        assert process.stdout
        assert process.stdout.readline() == "importing\n"
        process.terminate()
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (130, "")


def test_what_nohup_has_ignored_stays_ignored(tmp_path: Path) -> None:
    module = "import os, signal\n\ndef main():\n    os.kill(os.getpid(), signal.SIGHUP)\n    return 0\n"
    assert _run(tmp_path, module, "nohup")[0] == 0


def test_what_the_outputs_encoding_lacks_is_written_as_an_escape(tmp_path: Path) -> None:
    module = "def main():\n    print('Working …')\n"
    assert _run(tmp_path, module, "env PYTHONIOENCODING=latin-1") == (0, "Working \\u2026\n", "")
