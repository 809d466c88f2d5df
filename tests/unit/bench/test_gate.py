"""When a ratio has fallen, and when the difference is noise."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from bench import results
from bench.cli import main
from bench.gate import baseline_of, decide
from bench.results import Result
from tests.unit.bench.made import a_result


def with_ratio(median: float, noise: float = 0.0, name: str = "a/b") -> Result:
    ratios = {name: {"median": median, "noise": noise, "rounds": [median]}}
    return dataclasses.replace(a_result(), ratios=ratios)


def holds(was: Result, now: Result) -> list[bool]:
    return [decision.holds for decision in decide(baseline_of(was), now)]


def test_the_same_holds() -> None:
    assert holds(with_ratio(0.95), with_ratio(0.95)) == [True]


def test_a_rise_holds() -> None:
    assert holds(with_ratio(0.95), with_ratio(2.0)) == [True]


def test_a_fall_within_five_percent_is_noise() -> None:
    assert holds(with_ratio(1.0), with_ratio(0.951)) == [True]
    assert holds(with_ratio(1.0), with_ratio(0.949)) == [False]


@pytest.mark.parametrize(("was", "now"), [(0.2, 0.0), (0.0, 0.2)])
def test_a_fall_within_the_noise_of_either_side_holds(was: float, now: float) -> None:
    assert holds(with_ratio(1.0, was), with_ratio(0.81, now)) == [True]
    assert holds(with_ratio(1.0, was), with_ratio(0.79, now)) == [False]


def test_a_ratio_that_is_no_longer_measured_fails() -> None:
    (decision,) = decide(baseline_of(with_ratio(1.0)), with_ratio(1.0, name="a/c1"))
    assert not decision.holds
    assert "not measured" in str(decision)


def test_a_ratio_that_the_baseline_does_not_know_is_not_judged() -> None:
    now = dataclasses.replace(a_result(), ratios={**a_result().ratios, "a/d": {"median": 0.1, "noise": 0.0}})
    assert holds(a_result(), now) == [True]


def test_a_quick_run_is_no_match_for_a_full_baseline() -> None:
    full = dataclasses.replace(a_result(), options={"quick": False})
    with pytest.raises(ValueError, match="form is full, and the result's is quick"):
        decide(baseline_of(full), a_result())


def run(tmp_path: Path, result: Result, *more: str) -> int:
    results.write(result, tmp_path / "result.json")
    return main(["gate", str(tmp_path / "result.json"), "--baseline", str(tmp_path / "base.json"), *more])


def test_the_gate_stores_a_baseline_and_fails_when_a_ratio_falls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, a_result(), "--update") == 0
    assert run(tmp_path, a_result()) == 0
    assert run(tmp_path, with_ratio(0.5)) == 1
    assert "FELL   a/b: 0.50, was 0.95" in capsys.readouterr().out


def test_without_a_baseline_the_gate_says_how_to_make_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, a_result()) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--update" in line


@pytest.mark.parametrize(
    "stored", ["[]", "{}", "nothing", json.dumps({"form": 9, "command": 1, "quick": 1, "ratios": 1})]
)
def test_a_broken_baseline_is_one_line(tmp_path: Path, stored: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "base.json").write_text(stored, encoding="utf-8")
    assert run(tmp_path, a_result()) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_result_without_ratios_is_no_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, dataclasses.replace(a_result(), ratios={}), "--update") == 2
    assert "has no ratios" in capsys.readouterr().err
