"""An instance starts without its state store, finds it at any of several addresses, and says why it can't start."""

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

LAUNCHER = Path(__file__).parents[3] / "runtime" / "worker" / "python_instance_main.py"
# It is no module of a package: workers run it as a file.
launcher: Any = SimpleNamespace(**runpy.run_path(str(LAUNCHER), run_name="launcher"))
STATE = """
tried = []
class BKManagedStateContext:
    def __init__(self, url):
        from bookkeeper.common.exceptions import NamespaceExistsError, StreamExistsError
        from bookkeeper.common.service_uri import ServiceURI
        tried.append(url)
        if len(tried) < 3:
            raise (NamespaceExistsError, StreamExistsError)[len(tried) - 1]("another instance was faster")
        self.__table__ = ServiceURI(url).service_location
    def put(self, key, value):
        print("put", key, value, self.__table__)
def create_state_context(url, namespace, name):
    return None if url is None else BKManagedStateContext(url)
"""
MAIN = """
import io, sys
import state_context
print(__name__, sys.path[0], sys.argv[1:])
sys.stderr = io.StringIO()  # as Pulsar's instance hands it to its log
state = state_context.create_state_context(sys.argv[1], "alpes_tienda", "pagos")
print("runs")
if sys.argv[2:]:
    state.put("key", "value")
"""


@pytest.fixture
def pulsar(tmp_path: Path) -> Path:
    """A Pulsar that has no more than what the launcher uses of it."""
    folder = tmp_path / "instances" / "python-instance"
    folder.mkdir(parents=True)
    (folder / "state_context.py").write_text(STATE)
    (folder / "python_instance_main.py").write_text(MAIN)
    return tmp_path


def started(pulsar: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(LAUNCHER), *arguments],
        env={**os.environ, "PULSAR_HOME": str(pulsar)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_instance_starts_although_nobody_knows_its_state_store(pulsar: Path) -> None:
    done = started(pulsar, "bk://nobody.invalid:4181,nowhere.invalid:4181")
    folder = pulsar / "instances" / "python-instance"
    argument = "bk://nobody.invalid:4181,nowhere.invalid:4181"
    assert done.stdout.splitlines() == [f"__main__ {folder} ['{argument}']", "runs"]
    assert (done.returncode, done.stderr) == (0, "")


def test_its_state_is_at_whichever_of_the_addresses_answers(pulsar: Path) -> None:
    done = started(pulsar, "bk://127.0.0.1:4181,127.0.0.1:4182", "put")
    put = done.stdout.splitlines()[-1].removeprefix("put key value ipv4:")
    assert sorted(put.split(",")) == ["127.0.0.1:4181", "127.0.0.1:4182"]


def test_with_one_address_the_client_is_given_what_it_always_was(pulsar: Path) -> None:
    assert started(pulsar, "bk://127.0.0.1:4181", "put").stdout.endswith("put key value 127.0.0.1:4181\n")


def test_the_worker_can_read_why_an_instance_ended(pulsar: Path) -> None:
    done = started(pulsar, "bk://nobody.invalid:4181,nowhere.invalid:4181", "put")
    assert done.returncode == 1
    assert done.stderr.startswith("gaierror: ")


def test_the_state_is_connected_to_at_its_first_use_and_again_after_a_failure() -> None:
    attempts: list[str] = []

    class State:
        __table__ = "table"

    def connect() -> State:
        attempts.append("connect")
        if len(attempts) == 1:
            raise ConnectionError("away")
        return State()

    state = launcher.StateWhenNeeded(connect)
    assert not attempts
    with pytest.raises(ConnectionError):
        _ = state.__table__
    assert (state.__table__, state.__table__, len(attempts)) == ("table", "table", 2)


def test_a_name_that_nobody_knows_is_left_out_and_all_of_them_are_an_error() -> None:
    assert launcher.any_of(["nobody.invalid:4181", "127.0.0.1:4182"]) == "ipv4:127.0.0.1:4182"
    with pytest.raises(OSError, match="nown"):
        launcher.any_of(["nobody.invalid:4181"])
