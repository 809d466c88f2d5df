"""What Pulsar says of a function and its inputs, read into values."""

from typing import Any, cast

import pytest

from connection import functions
from connection.admin import Admin
from connection.functions import Trouble, Waiting

TOPIC = "persistent://alpes/tienda/crear-orden"


class _Answers:
    """An admin API that has these answers by path."""

    def __init__(self, **by_end: Any) -> None:
        self._by_end = by_end

    def find(self, path: str) -> Any:
        return self._by_end.get(path.rpartition("/")[2].partition("?")[0].replace("-", "_"))


def admin(**by_end: Any) -> Admin:
    return cast("Admin", _Answers(**by_end))


def instance(number: int, **status: Any) -> dict[str, Any]:
    return {"instanceId": number, "status": status}


@pytest.mark.parametrize(
    ("status", "running", "stopped"),
    [
        ({"running": True, "numRestarts": 2, "workerId": "w", "latestUserExceptions": []}, True, False),
        ({"running": False, "numRestarts": 2, "workerId": "w"}, False, True),
        ({"running": False, "numRestarts": 2, "workerId": "w", "latestUserExceptions": []}, False, False),
        ({"running": False, "numRestarts": 2, "workerId": "w", "error": "UNAVAILABLE"}, False, False),
    ],
    ids=["runs", "was stopped", "starts", "fails"],
)
def test_an_instance_runs_was_stopped_or_is_neither(status: dict[str, Any], running: bool, stopped: bool) -> None:
    answer = {"numInstances": 1, "numRunning": int(running), "instances": [instance(0, **status)]}
    found = functions.instances(admin(status=answer), "/admin/v3/functions/alpes/tienda/ordenes")
    assert found is not None
    assert (found.wanted, found.running, found.stopped, found.restarts) == (1, int(running), int(stopped), 2)


def test_a_function_that_does_not_exist_has_no_instances() -> None:
    assert functions.instances(admin(), "/admin/v3/functions/alpes/tienda/ordenes") is None


def test_what_waits_leaves_out_what_is_not_due() -> None:
    stats = {"subscriptions": {"ordenes": {"msgBacklog": 7, "msgDelayed": 5}}}
    assert functions.waiting(stats, TOPIC, "ordenes") == Waiting("crear-orden", 2, 5, None)
    assert functions.waiting(stats, TOPIC, "another") == Waiting("crear-orden", None, None)
    assert functions.waiting(functions.topic_stats(admin(), TOPIC), TOPIC, "ordenes").messages is None


def test_a_topic_without_partitions_has_figures_too() -> None:
    whole, parts = {"msgInCounter": 5}, {"msgInCounter": 7}
    assert functions.topic_stats(admin(stats=whole), TOPIC) == whole
    assert functions.topic_stats(admin(stats=whole, partitioned_stats=parts), TOPIC) == parts


def test_deaths_are_added_up_over_the_instances() -> None:
    each = [{"metrics": {"userMetrics": {"user_metric_deaths_sum": deaths}}} for deaths in (2.0, 1.0)]
    answer = {"instances": [*each, {"metrics": {"userMetrics": {}}}, {}]}
    assert functions.told(admin(stats=answer), "/path", ()).deaths == 3


def test_an_input_without_due_messages_is_not_silent() -> None:
    metrics = {"user_metric_silent.crear-orden_sum": 1.0, "user_metric_stuck.database_sum": 1.0, "other": 1.0}
    answer = {"instances": [{"metrics": {"userMetrics": metrics}}, {"metrics": {}}]}

    def found(messages: int) -> list[Trouble]:
        return functions.troubles(admin(stats=answer), "/path", [Waiting("crear-orden", messages, 0)])

    assert found(1) == [Trouble("silent", "crear-orden"), Trouble("stuck", "database")]
    assert found(0) == [Trouble("stuck", "database")]
