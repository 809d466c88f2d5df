"""Folders and ports that would prevent a start are named in one line, before anything is installed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from local_stack import ports, precheck
from local_stack.errors import LocalStackError
from local_stack.folders import OTHER_CACHE, OTHER_HOME, require_writable

CHECKOUT = Path(__file__).parents[3]
AS_NOBODY = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")


def test_a_folder_that_is_there_or_can_be_made_will_do(tmp_path: Path) -> None:
    require_writable(tmp_path, OTHER_HOME)
    require_writable(tmp_path / "a" / "b", OTHER_HOME)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_file_is_no_folder(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        LocalStackError, match=f"^{tmp_path}/file is not a folder: choose another folder with ALPES_HOME[.]$"
    ):
        require_writable(tmp_path / "file" / below, OTHER_HOME)


def test_a_name_that_is_too_long_is_told(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 300)
    with pytest.raises(LocalStackError, match=r"^.*x can't be written to by this user \(File name too long\): .*[.]$"):
        require_writable(folder, OTHER_CACHE)


def test_a_folder_that_is_only_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        LocalStackError, match=r"^/proc/x can't be created, since /proc can't be written to by this user"
    ):
        require_writable(Path("/proc/x"), OTHER_HOME)


def _as_nobody(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    # Root first imports the code, which another user may not be able to read, and then becomes that user.
    code = "import os; from local_stack import precheck; os.setuid(65534); raise SystemExit(precheck.main())"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env={"PATH": os.defpath, "HOME": "/", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_checkout_that_is_only_read_is_told_before_anything_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ports, "is_taken", lambda port: False)
    for folder in ("/proc/.venv", "/proc/build"):
        assert _main(monkeypatch, tmp_path, str(tmp_path / "build"), folder, ALPES_HOME="/proc/.alpes") == 1
        told = capsys.readouterr().err
        assert told.startswith(f"{folder} can't be created, since /proc can't be written to by this user (")
        assert told.endswith("): let this user write to the checkout, or run a copy of it that is this user's.\n")
        assert told.count("\n") == 1


@AS_NOBODY
@pytest.mark.parametrize("variable", ["ALPES_HOME", "ALPES_CACHE"])
@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_below_a_closed_one_is_one_line(tmp_path: Path, variable: str, exists: bool) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "closed" / "foo"
    if exists:
        folder.mkdir(parents=True)
    own = str(Path(tempfile.gettempdir()) / "nobodys")
    done = _as_nobody({"ALPES_HOME": own, "ALPES_CACHE": own, variable: str(folder)})
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"{folder} can't be written to by this user (Permission denied): choose another folder with {variable}.\n"
    )


def _main(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *of_checkout: str, **environment: str) -> int:
    for name, value in {"ALPES_HOME": str(tmp_path / "home"), "ALPES_CACHE": str(tmp_path), **environment}.items():
        monkeypatch.setenv(name, value)
    return precheck.main(of_checkout)


def test_a_port_that_is_taken_is_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ports, "is_taken", lambda port: port == 2281)
    assert _main(monkeypatch, tmp_path, ALPES_PORT_OFFSET="100") == 1
    assert "Port 2281, which ZooKeeper needs" in capsys.readouterr().err


def test_a_variable_that_says_what_cannot_be_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _main(monkeypatch, tmp_path, ALPES_PORT_OFFSET="-1") == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_where_all_is_well_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ports, "is_taken", lambda port: False)
    assert _main(monkeypatch, tmp_path) == 0
    assert capsys.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []
