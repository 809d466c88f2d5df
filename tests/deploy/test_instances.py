"""While a node of a cluster is dead, a wait for instances goes on, and the places of logs are still known."""

from typing import Any, cast

import pytest

from connection.admin import Admin
from connection.errors import AdminUnreachableError
from deployment import function_configs, function_logs, instances
from deployment.errors import FunctionFailedError

PAGOS = function_configs.load()["pagos"]


def status(running: int, worker: str = "w1", wanted: int = 1) -> dict[str, Any]:
    each = {"instanceId": 0, "status": {"running": bool(running), "workerId": worker, "numRestarts": 0}}
    return {"numInstances": wanted, "numRunning": running, "instances": [each]}


class Answers:
    """An admin API that gives these answers about a function's status, one after another, and then the last again."""

    def __init__(self, *answers: dict[str, Any] | None) -> None:
        self._answers = list(answers)
        self._wanted = 1

    def find(self, path: str) -> Any:
        if path == PAGOS.rest_path:
            return {"parallelism": self._wanted}
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer is None:
            raise AdminUnreachableError("No Pulsar admin API at http://w2:6750 (timed out).")
        self._wanted = answer["numInstances"]
        return answer

    def get(self, path: str) -> Any:
        return [{"workerId": "w1", "workerHostname": "one.example", "port": 6750}]


def test_an_answer_that_fails_to_come_does_not_end_the_wait() -> None:
    api = cast("Admin", Answers(None, status(0), None, status(1)))
    assert instances.wait_running(PAGOS, api, 1, 30).running == 1


def test_a_wait_in_vain_says_why_nothing_is_known() -> None:
    with pytest.raises(FunctionFailedError, match=r"0 of 1 instances run.*No Pulsar admin API at http://w2:6750"):
        instances.wait_running(PAGOS, cast("Admin", Answers(None)), 1, 0.5)


def test_a_wait_ends_with_the_number_that_somebody_set_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "REPLACED_S", 0.5)
    api = cast("Admin", Answers(status(1, wanted=2), status(2, wanted=2)))
    found = instances.wait_running(PAGOS, api, 1, 30)
    assert (found.running, instances.remark(found, 1)) == (2, "somebody set 2 instances meanwhile, not 1")


def test_an_answer_from_before_the_number_was_set_does_not_end_the_wait() -> None:
    api = cast("Admin", Answers(status(1), status(1), status(2, wanted=2)))
    assert instances.wait_running(PAGOS, api, 2, 30).running == 2


def test_the_log_of_an_instance_is_on_its_worker() -> None:
    file = "functions/alpes/tienda/pagos/pagos-0.log in logDirectory of"
    assert function_logs.places([PAGOS], cast("Admin", Answers(status(1)))) == [f"{file} w1 (one.example)"]
    assert function_logs.places([PAGOS], cast("Admin", Answers(status(0, "w2")))) == [f"{file} w2 (which is away)"]
