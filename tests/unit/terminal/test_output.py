"""Where results go: files, links, devices, pipes, and places that can't be written."""

import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from operations.commands import reconcile
from operations.reconcile.rules import Verdict
from operations.reconcile.scratch import Doubtful, Scratch
from terminal.errors import OutputError
from terminal.output import OutputFile, writing

CHECKOUT = Path(__file__).parents[3]
ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes device nodes")
NOBODY = 65534


def _write(path: Path, content: bytes) -> None:
    with writing(path) as file:
        file.write(content)


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    target.write_text("old")
    target.chmod(0o640)
    with writing(target) as file:
        file.write(b"new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_and_its_name_outlive_a_power_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "run"
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append((os.fstat(handle).st_ino, target.exists())))
    _write(target, b"new")
    assert synced == [(target.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_new_file_gets_the_mode_of_any_other_new_file(tmp_path: Path) -> None:
    _write(tmp_path / "ours", b"x")
    (tmp_path / "theirs").write_bytes(b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "theirs").stat().st_mode


@pytest.mark.parametrize("exists", [True, False])
def test_a_link_leads_to_its_file_and_stays_a_link(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "report.csv", tmp_path / "link"
    if exists:
        target.write_text("old")
    link.symlink_to(target)
    _write(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@ROOT_ALONE
@pytest.mark.parametrize("through_a_link", [False, True])
def test_a_device_is_written_to_and_stays_one(tmp_path: Path, through_a_link: bool) -> None:
    null, full = tmp_path / "null", tmp_path / "full"
    os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    os.mknod(full, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    for device in (null, full):
        (tmp_path / f"{device.name}-link").symlink_to(device)
    suffix = "-link" if through_a_link else ""
    try:
        _write(tmp_path / f"null{suffix}", b"x")
        with pytest.raises(OutputError, match=r"Can't write .*full.*: No space left on device\."):
            _write(tmp_path / f"full{suffix}", b"x")
    except PermissionError:
        pytest.skip("devices don't work on this file system")
    assert null.is_char_device()
    assert full.is_char_device()


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    _write(pipe, b"through")
    reader.join(10)
    assert got == [b"through"]
    assert pipe.is_fifo()


def test_what_was_there_is_untouched_when_the_writing_is_broken_off(tmp_path: Path) -> None:
    target = tmp_path / "report.csv"
    target.write_text("old")

    def break_off() -> None:
        with writing(target) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"Can't write .*nowhere"):
        _write(tmp_path / "nowhere" / "report.csv", b"x")


def test_what_cannot_be_written_is_known_before_anything_begins(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere" / "report.csv", loop, tmp_path / ("x" * 300), tmp_path / "file" / "report.csv"):
        with pytest.raises(OutputError, match="Can't write"):
            OutputFile().convert(str(path), None, None)
    for text in ("", str(tmp_path)):
        with pytest.raises(click.BadParameter):
            OutputFile().convert(text, None, None)


@pytest.fixture
def theirs() -> Iterator[Path]:
    """A folder that anybody may enter and nobody may write to."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_text("old")
        (folder / "file").chmod(0o444)
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)


@pytest.mark.parametrize(
    ("name", "why"), [("file", "Permission denied"), ("new", "its folder {folder} is not writable")]
)
@pytest.mark.parametrize("command", [("report",), ("reconcile",)], ids=" ".join)
def test_a_file_and_a_folder_that_only_others_may_write_are_refused(
    theirs: Path, name: str, why: str, command: tuple[str, ...]
) -> None:
    # Root first imports the code, which another user may not be able to read, and then becomes that user.
    program = f"""
import os, sys
from client.cli import alpes
from client.commands import report
from operations.commands import reconcile
if os.geteuid() == 0:
    os.setuid({NOBODY})
alpes(sys.argv[1:], prog_name="alpes")
"""
    done = subprocess.run(
        [sys.executable, "-c", program, *command, "--output", str(theirs / name)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    said = f"alpes: Can't write {theirs / name}: {why.format(folder=theirs)}.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", said)
    assert [path.name for path in theirs.iterdir()] == ["file"]


def _alpes(command: str, program: str = "-m client") -> subprocess.CompletedProcess[str]:
    """Run a shell command in which $ALPES is the program, or another one."""
    return subprocess.run(
        ["/bin/bash", "-c", command],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), "ALPES": f"{sys.executable} {program}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


REPORT = """
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado
report = importlib.import_module("client.commands.report")
report.connected = lambda _url: contextlib.nullcontext()
part = {"generated_at_ms": 1, "last": True, "content": b"x" * 1_000_000}
report.fetch_report = lambda _client, name, _wish, take, *_: take(ReporteGenerado(report_id=name, **part))
"""
LETTERS = """
from operations.dlq.letters import Letter, LetterId
dlq = importlib.import_module("operations.commands.dlq")
class Letters(list):
    topics = ["crear-orden"]
class Log:
    def dealt_with(self):
        return set()
letters = Letters(Letter(LetterId("crear-orden", 0, 1, n, -1), "k", b"x", {}, 0) for n in range(10_000))
dlq._session = lambda *_: contextlib.nullcontext(dlq._Session(None, letters, Log()))
"""
IN_PLACE_OF_PULSAR = {"report": REPORT, "dlq list --json": LETTERS}


@pytest.fixture(params=IN_PLACE_OF_PULSAR)
def much(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A command with much output, and the program that runs it."""
    program = tmp_path / "program.py"
    program.write_text(
        "import contextlib, importlib, resource, sys\n"
        + IN_PLACE_OF_PULSAR[request.param]
        + "from client.__main__ import main\nmain()\n"
    )
    return f"$ALPES {request.param}", str(program)


def test_results_on_a_full_disk_are_one_line_and_1(much: tuple[str, str]) -> None:
    command, program = much
    done = _alpes(f"{command} > /dev/full", program)
    assert done.returncode == 1
    assert done.stderr.startswith("alpes: Can't write ")
    assert done.stderr.endswith(": No space left on device.\n")
    assert done.stderr.count("\n") == 1


def test_who_has_seen_enough_of_the_results_ends_them_in_good_order(much: tuple[str, str]) -> None:
    command, program = much
    done = _alpes(f"set -o pipefail; {command} | head -c 5 > /dev/null", program)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_the_disk_has_no_room_for_is_as_it_was(tmp_path: Path) -> None:
    target, program = tmp_path / "report.csv", tmp_path / "program.py"
    target.write_text("old")
    # A limit on the size of files makes writing fail as a full disk does.
    bound = "import contextlib, importlib, resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))\n"
    program.write_text(f"{bound}{REPORT}from client.__main__ import main\nmain()\n")
    done = _alpes(f"$ALPES report --output {target}", f"-B {program}")
    assert (done.returncode, done.stderr) == (1, f"alpes: Can't write {target}: File too large.\n")
    assert target.read_text() == "old"
    assert set(tmp_path.iterdir()) == {target, program}


@pytest.mark.parametrize("number", [1, 5_000])
def test_the_orders_that_reconcile_writes_to_a_full_disk_are_one_line(number: int) -> None:
    class NoRows:
        def some(self, _ids: object) -> Iterator[object]:
            return iter(())

    with Scratch() as scratch:
        scratch.doubt(Doubtful(f"{n:06d}", Verdict.LOST, "why") for n in range(number))
        with pytest.raises(OutputError, match=r"Can't write /dev/full: No space left on device\."):
            reconcile._write(Path("/dev/full"), NoRows(), scratch)  # type: ignore[arg-type]


def test_standard_output_on_a_full_disk_is_one_line_and_1() -> None:
    for command in ("--help", "send --help", "--version"):
        done = _alpes(f"$ALPES {command} > /dev/full")
        assert (done.returncode, done.stderr) == (
            1,
            "alpes: Can't write to standard output: No space left on device.\n",
        )


def test_a_closed_standard_output_is_one_line_and_1() -> None:
    done = _alpes("$ALPES --help >&-")
    assert (done.returncode, done.stderr) == (1, "alpes: Can't write to standard output: it is closed.\n")


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    done = _alpes("set -o pipefail; $ALPES --help | true")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_standard_error_that_takes_nothing_changes_no_exit_code() -> None:
    for redirection in ("2> /dev/full", "2>&-", "2> >(true)"):
        assert _alpes(f"$ALPES nonsense {redirection}").returncode == 2


def test_standard_output_by_another_name_keeps_what_the_shell_wrote_there(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from terminal.output import writing\n"
        "with writing(Path('/dev/stdout')) as file: file.write(b'b')"
    )
    target = tmp_path / "all"
    done = _alpes(f'{{ echo a; {sys.executable} -c "{program}"; echo c; }} > {target}')
    assert (done.returncode, done.stderr) == (0, "")
    assert target.read_text() == "a\nbc\n"
