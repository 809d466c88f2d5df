"""Two deployments to the same services don't disturb each other."""

import threading

import psycopg
import pytest

from deployment import databases, function_configs
from deployment.errors import DeploymentError
from deployment.target import Target

CONFIGS = function_configs.load()
PAGOS = CONFIGS["pagos"]


def target(dsn: str) -> Target:
    variables = [config.dsn_variable for config in CONFIGS.values()]
    return Target("pulsar://nowhere:6650", "http://nowhere:8080", dict.fromkeys(variables, dsn), local=None)


def test_a_second_deployment_waits_for_the_first_and_names_it(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[str] = []
    waits = threading.Event()
    wait = databases._wait

    def waiting(connection: "psycopg.Connection[tuple[object, ...]]", service: str) -> None:
        waits.set()
        wait(connection, service)

    def second() -> None:
        with databases.alone([PAGOS], target(empty_dsn)):
            order.append("second")

    monkeypatch.setattr(databases, "LOOK_S", 0.02)
    monkeypatch.setattr(databases, "_wait", waiting)
    thread = threading.Thread(target=second)
    with databases.alone([PAGOS], target(empty_dsn)):
        thread.start()
        assert waits.wait(30)
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]
    assert "Waiting for another deployment of pagos, which works from 127.0.0.1 since 2" in capsys.readouterr().err


def test_services_may_share_a_database(empty_dsn: str) -> None:
    with databases.alone(list(CONFIGS.values()), target(empty_dsn)):
        pass


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
