"""The run of a million orders leaves other runs alone, and says in one line what did not hold."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from local_stack import ports
from tests.faults import million

BROKER = 7650
"""The broker's port when all ports are shifted by 1000."""


class Failing:
    """An ordeal that ends badly."""

    verdict = None

    def finish(self, **options: Any) -> None:
        raise AssertionError("seed 1: fault 3: 0 orders ended in its 6.8 s")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Name a folder that doesn't exist yet, and make sure that nothing is started."""
    monkeypatch.setenv("ALPES_HOME", str(tmp_path / "stack"))
    monkeypatch.setenv("ALPES_PORT_OFFSET", "1000")
    monkeypatch.setattr(million, "bring_up", lambda environment: pytest.fail("a stack was started"))
    monkeypatch.setattr(million, "deploy", lambda *arguments, environment: pytest.fail("deploy.sh was called"))
    return tmp_path / "stack"


def test_it_does_not_start_where_another_run_has_its_stack(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home.mkdir()
    with pytest.raises(SystemExit, match="2"):
        million.main([])
    (line,) = capsys.readouterr().err.splitlines()
    for part in (str(home), "another test run", "ALPES_PORT_OFFSET=1000 ./deploy.sh destroy"):
        assert part in line
    assert home.exists()


def test_it_does_not_start_where_somebody_listens_on_its_ports(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ports, "is_taken", lambda port: port == BROKER)
    with pytest.raises(SystemExit, match="2"):
        million.main([])
    (line,) = capsys.readouterr().err.splitlines()
    assert f"Port {BROKER}, which Pulsar's broker needs, is taken" in line


def test_what_did_not_hold_at_its_end_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    ordeal: Any = Failing()
    assert not million._finish(ordeal, Counter(["kill_instance"]))
    *_, line = capsys.readouterr().out.splitlines()
    assert line.endswith("failed: seed 1: fault 3: 0 orders ended in its 6.8 s")
