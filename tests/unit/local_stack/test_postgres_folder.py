"""Where PostgreSQL's data lie, and who owns them, when root runs the stack."""

import os
import pwd
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_stack import postgres
from local_stack.errors import LocalStackError
from local_stack.settings import Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A stack whose data lie in a system folder."""
    monkeypatch.setattr(postgres, "SYSTEM_FOLDER", tmp_path / "system")
    made = _at(tmp_path / "home")
    postgres._make_folder(made, pwd.getpwuid(os.geteuid()).pw_name)
    return made


def _at(home: Path) -> Settings:
    home.mkdir(exist_ok=True)
    return from_environment({"ALPES_HOME": str(home)})


def test_a_copy_of_a_stack_does_not_get_the_data_of_the_first(settings: Settings, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(settings.home, tmp_path / "copy", symlinks=True))
    with pytest.raises(LocalStackError, match=f"^{copy} is a copy of {settings.home}, .*[.]$"):
        postgres.require_own(_at(copy))
    postgres.require_own(settings)


def test_a_stack_that_was_moved_keeps_its_data(settings: Settings, tmp_path: Path) -> None:
    data = postgres.folder(settings).resolve()
    moved = _at(settings.home.rename(tmp_path / "moved"))
    postgres.require_own(moved)
    postgres._make_folder(moved, pwd.getpwuid(os.geteuid()).pw_name)
    assert (data / postgres.OWNER).read_text() == str(moved.home)


def test_a_stack_by_another_name_of_its_folder_is_the_same(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(settings.home)
    postgres.require_own(_at(tmp_path / "link"))


def test_data_from_before_there_were_notes_are_taken_as_they_are(settings: Settings) -> None:
    (postgres.folder(settings) / postgres.OWNER).unlink()
    postgres.require_own(settings)


def test_stacks_that_start_at_once_create_the_user_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user, created = tmp_path / "user", []

    def create() -> None:
        created.append(1)
        time.sleep(0.1)
        user.touch()

    monkeypatch.setattr(postgres, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setattr(postgres, "_is_user", lambda _name: user.exists())
    monkeypatch.setattr(postgres, "_create_user", create)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: postgres._system_user(), range(4))) == {postgres.SYSTEM_USER}
    assert created == [1]
