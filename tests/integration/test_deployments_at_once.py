"""Two deployments to the same services don't disturb each other."""

import threading

import pytest

from deployment import databases, function_configs
from deployment.errors import DeploymentError
from deployment.target import Target

PAGOS = function_configs.load()["pagos"]


def target(dsn: str) -> Target:
    return Target("pulsar://nowhere:6650", "http://nowhere:8080", {PAGOS.dsn_variable: dsn}, local=None)


def test_a_second_deployment_waits_for_the_first_and_names_it(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(databases, "LOOK_S", 0.02)
    order: list[str] = []

    def second() -> None:
        with databases.alone([PAGOS], target(empty_dsn)):
            order.append("second")

    thread = threading.Thread(target=second)
    with databases.alone([PAGOS], target(empty_dsn)):
        thread.start()
        thread.join(0.5)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    told = capsys.readouterr().err
    assert "Waiting for another deployment of pagos, which works from 127.0.0.1 since 2" in told


def test_a_deployment_that_never_ends_is_not_waited_for_longer(empty_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "LONGEST_WAIT_S", 0.0)
    with (
        databases.alone([PAGOS], target(empty_dsn)),
        pytest.raises(DeploymentError, match=r"still goes on, which works from .* \(session \d+ of its database"),
        databases.alone([PAGOS], target(empty_dsn)),
    ):
        pytest.fail("deployed")
    with databases.alone([PAGOS], target(empty_dsn)):
        pass
