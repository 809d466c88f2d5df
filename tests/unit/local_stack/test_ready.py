"""Pulsar is ready when its broker, its function worker and the state store all answer."""

import dataclasses
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_stack import broker, state_store
from local_stack.settings import Ports, from_environment
from tests.unit.connection.admin_server import answering

READY = (200, b"ok")
WORKERS = (200, ["worker"])
FUNCTIONS: tuple[int, list[str]] = (200, [])


@pytest.mark.parametrize(
    ("answers", "state", "ready"),
    [
        ([READY, WORKERS, FUNCTIONS], True, True),
        ([READY, WORKERS, FUNCTIONS], False, False),
        ([(503, b"not yet")], True, False),
        ([(200, b"<html>")], True, False),
        ([READY, (200, [])], True, False),
        ([READY, (200, b"<html>")], True, False),
        ([READY, (503, {"reason": "no leader"})], True, False),
        ([READY, WORKERS, (404, {"reason": "none"})], True, False),
    ],
)
def test_pulsar_is_ready_once_all_of_it_answers(
    answers: list[tuple[int, object]], state: bool, ready: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_store, "answers", lambda settings: state)
    with answering(*answers) as (admin, asked):
        ports = Ports((urlsplit(admin.url).port or 0) - Ports().http)
        settings = dataclasses.replace(from_environment({"ALPES_HOME": str(tmp_path)}), ports=ports)
        assert broker.is_ready(settings) is ready
    # The caller asks again later, so it is asked only once each time.
    assert len(asked) == len(answers)


def test_where_nothing_listens_it_is_not_ready(tmp_path: Path) -> None:
    settings = dataclasses.replace(from_environment({"ALPES_HOME": str(tmp_path)}), ports=Ports(1 - Ports().http))
    assert not broker.is_ready(settings)
