"""What a killed state store left in ZooKeeper is removed, if it is certain that no other store uses it."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from local_stack import state_store
from local_stack.settings import Settings, from_environment
from local_stack.state_store import DeadRegistration

RUNS = "INFO ZooKeeperServer - Created server with tickTime 3000 ms\n"
WAITS = "INFO - Previous bookie registration znode: /stream/servers/available/127.0.0.1:4181 exists, so waiting\n"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A stack whose Pulsar notes how it is called."""
    made = replace(from_environment({"ALPES_HOME": str(tmp_path / "home"), "ALPES_CACHE": str(tmp_path / "cache")}))
    made.logs.mkdir(parents=True)
    program = tmp_path / "shell"
    new = tmp_path / "called.new"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$*" > {new}\nmv {new} {tmp_path}/called\n')
    program.chmod(0o755)
    (made.logs / "pulsar.log").write_text(RUNS + WAITS)
    return made


def log(settings: Settings, text: str) -> None:
    with (settings.logs / "pulsar.log").open("a") as file:
        file.write(text)


def called(tmp_path: Path, seconds: float = 5) -> str:
    deadline = time.monotonic() + seconds
    while not (tmp_path / "called").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return (tmp_path / "called").read_text() if (tmp_path / "called").exists() else ""


def test_the_registration_that_is_waited_for_is_deleted_once(settings: Settings, tmp_path: Path) -> None:
    dead = DeadRegistration(settings, [str(tmp_path / "shell")])
    dead.remove_if_waited_for()
    log(settings, RUNS)
    dead.remove_if_waited_for()
    log(settings, WAITS[:50])
    dead.remove_if_waited_for()
    assert called(tmp_path, 0.2) == "", "lines from before the start must not count"
    log(settings, WAITS[50:])
    dead.remove_if_waited_for()
    expected = "-server 127.0.0.1:2181 delete /stream/servers/available/127.0.0.1:4181\n"
    assert called(tmp_path) == expected
    (tmp_path / "called").unlink()
    log(settings, WAITS)
    dead.remove_if_waited_for()
    assert called(tmp_path, 0.2) == ""


def test_late_nothing_is_deleted_any_more(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_store, "SAFE_S", 0.0)
    program = tmp_path / "shell"
    program.write_text(f"#!/bin/sh\nsleep 1\ntouch {tmp_path}/called\n")
    dead = DeadRegistration(settings, [str(tmp_path / "shell")])
    log(settings, RUNS + WAITS)
    dead.remove_if_waited_for()
    assert called(tmp_path, 1.5) == ""


def test_without_a_shell_the_wait_goes_on(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "shell").unlink()
    dead = DeadRegistration(settings, [str(tmp_path / "shell")])
    log(settings, RUNS + WAITS)
    dead.remove_if_waited_for()
