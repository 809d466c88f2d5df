"""The doctor's checks of this machine, and what keeps one check from another's finding."""

import importlib
import sys
import threading
import time
from importlib import metadata
from pathlib import Path

import pytest

from connection.errors import AdminUnreachableError, BrokerUnreachableError
from deployment import function_configs
from deployment.doctor import machine
from deployment.doctor.examination import CHECKS, examine
from deployment.doctor.finding import OK, PROBLEM, SKIPPED, WARNING, Finding, healthy, ok
from deployment.doctor.place import Place, find
from terminal.errors import CommandError

CONFIGS = list(function_configs.load().values())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return a local stack that isn't there, on ports that nobody has."""
    environ = {"ALPES_HOME": str(tmp_path / "stack"), "ALPES_CACHE": str(tmp_path), "ALPES_PORT_OFFSET": "11000"}
    return find(CONFIGS, environ, 5.0)


def one(name: str, place: Place, monkeypatch: pytest.MonkeyPatch, check: object) -> Finding:
    monkeypatch.setattr(machine, "python", check)
    (found,) = examine(place, 1.0, {name: "machine:python"})
    return found


@pytest.mark.parametrize(
    ("error", "level", "what"),
    [
        (AdminUnreachableError("none"), SKIPPED, "not looked at, since no admin API answers"),
        (BrokerUnreachableError("none"), SKIPPED, "not looked at, since no broker answers"),
        (CommandError("two\nlines"), PROBLEM, "two lines"),
        (PermissionError(13, "Permission denied"), PROBLEM, "[Errno 13] Permission denied"),
        (ImportError("No module named 'rich'"), PROBLEM, "No module named 'rich'"),
        (ZeroDivisionError("x"), PROBLEM, "the check itself failed: ZeroDivisionError('x')"),
    ],
)
def test_a_check_that_fails_is_a_finding(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: Exception, level: str, what: str
) -> None:
    def fail(_place: Place) -> list[Finding]:
        raise error

    found = one("part", place, monkeypatch, fail)
    assert (found.part, found.level, found.what) == ("part", level, what)


def test_a_check_that_hangs_keeps_no_other_from_its_finding(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setattr(machine, "python", lambda _place: [ok("a", "x")] if never.wait(20) else [])
    monkeypatch.setattr(machine, "disk", lambda _place: [ok("b", "fine")])
    started = time.monotonic()
    hung, fine = examine(place, 0.5, {"a": "machine:python", "b": "machine:disk"})
    never.set()
    assert time.monotonic() - started < 5
    assert (hung.level, hung.what) == (PROBLEM, "no answer within 0.5 s")
    assert (fine.level, fine.what) == (OK, "fine")


def test_where_nothing_runs_each_part_is_told_once_with_what_to_do(place: Place) -> None:
    found = {finding.part: finding for finding in examine(place, 30.0)}
    assert "./deploy.sh up" in found["local stack"].advice
    assert found["broker"].what.startswith("No Pulsar at pulsar://127.0.0.1:17650")
    assert found["worker"].what.startswith("No Pulsar admin API at http://127.0.0.1:19080")
    assert {found[part].level for part in ("python", "packages", "disk", "settings")} <= {OK, WARNING}
    skipped = {part for part, finding in found.items() if finding.level == SKIPPED}
    assert skipped >= {"state store", "schemas", "functions", "clock", "database ordenes"}
    assert not healthy(found.values())
    assert not (place.local and place.local.home.exists())


def test_a_part_of_a_cluster_s_variables_is_a_problem_and_the_rest_is_looked_at(tmp_path: Path) -> None:
    place = find(CONFIGS, {"ALPES_HOME": str(tmp_path), "PULSAR_SERVICE_URL": "pulsar://127.0.0.1:1"}, 5.0)
    found = {finding.part: finding for finding in examine(place, 30.0, {n: CHECKS[n] for n in ("settings", "broker")})}
    assert found["settings"].level == PROBLEM
    assert "but not PULSAR_ADMIN_URL" in found["settings"].what
    assert found["broker"].what.startswith("No Pulsar at pulsar://127.0.0.1:1 ")


def test_a_package_that_is_missing_or_another_one_is_named(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = tmp_path / "app.txt"
    monkeypatch.setattr(machine, "LOCKED", lock)
    lock.write_text(f"click=={metadata.version('click')} \\\n    --hash=sha256:0\n")
    (found,) = machine.packages(place)
    assert (found.level, found.what) == (OK, "all 1 are those of requirements/app.txt")
    lock.write_text("click==1.0 \\\n    --hash=sha256:0\n")
    (found,) = machine.packages(place)
    assert found.level == WARNING
    assert "click is 8" in found.what
    lock.write_text("no-such-package==1.0\n")
    (found,) = machine.packages(place)
    assert (found.level, found.what) == (PROBLEM, "no-such-package is missing, not 1.0")
    assert sys.prefix in found.advice


@pytest.mark.parametrize(("needed", "level"), [(1, OK), (10**16, WARNING)])
def test_the_disk_is_looked_at(place: Place, monkeypatch: pytest.MonkeyPatch, needed: int, level: str) -> None:
    monkeypatch.setattr(machine, "ENOUGH_BYTES", needed)
    (found,) = machine.disk(place)
    assert found.level == level
    monkeypatch.setattr(machine, "NEEDED_BYTES", 10**16)
    (found,) = machine.disk(place)
    assert found.level == PROBLEM
    assert "make room" in found.what


def test_a_file_with_a_dsn_that_others_can_read_is_a_warning(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    monkeypatch.setenv("ALPES_CONFIG", str(file))
    for content, mode, level in (
        ("pagos-dsn = 'x'", 0o644, WARNING),
        ("pagos-dsn = 'x'", 0o600, OK),
        ("tz = 'x'", 0o644, OK),
    ):
        file.write_text(content)
        file.chmod(mode)
        (found,) = machine.settings(place)
        assert found.level == level, (content, oct(mode))


def test_each_check_that_is_listed_is_there() -> None:
    for check in CHECKS.values():
        module, _, function = check.partition(":")
        assert callable(getattr(importlib.import_module(f"deployment.doctor.{module}"), function))
