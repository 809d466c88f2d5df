"""Loads that were recorded on the real system, and what is decided about them.

`python -m bench autoscale` recorded them: 100, then 3,000, then 100 orders a second, looked at every 5 s.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from autoscale.load import Limits, Load
from autoscale.policy import History, decide
from deployment.function_configs import Bounds

RECORDED: dict[str, Any] = json.loads(Path(__file__).with_name("recorded.json").read_text())
LIMITS = Limits(Bounds(1, 4), RECORDED["cores"], 536_870_912)


def loads(function: str) -> list[Load]:
    return [
        Load(**{**each, **{key: tuple(each[key]) for key in ("troubles", "cpu_cores", "memory_bytes", "on")}})
        for each in RECORDED["looks"][function]
    ]


def decided(function: str) -> list[int]:
    """Return what is decided at each look."""
    history, found = History(), []
    for load in loads(function):
        decision, history = decide(load, LIMITS, history)
        found.append(decision.wanted)
    return found


def test_the_recorded_rise_gives_ordenes_more_and_the_fall_takes_them_away() -> None:
    found = decided("ordenes")
    assert found[:5] == [1, 1, 1, 1, 2]
    assert max(found) == 3
    assert found[-1] == 1


@pytest.mark.parametrize("function", ["pagos", "reporting"])
def test_a_function_with_cores_to_spare_is_left_as_it_is(function: str) -> None:
    assert set(decided(function)) == {1}
