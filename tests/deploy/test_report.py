"""What `status` says about a function that runs but makes no progress, for a person and for a script."""

import time
from typing import Any, cast

import pytest

from connection.admin import Admin
from connection.errors import AdminUnreachableError, RefusedError, SecurityError
from connection.functions import Instance, Instances, Waiting
from deployment import function_configs
from deployment.report import FunctionReport, lines, read
from deployment.target import Target

ONE = Instances(1, 1, (Instance(0, running=True, stopped=False, restarts=0, error=""),))
WAITS = (Waiting("crear-orden", 3, 2, 300),)
WELL = FunctionReport("ordenes", ONE, {0: [7]}, WAITS)
HALTED = FunctionReport("ordenes", ONE, {0: [7]}, WAITS, halted=("crear-orden",))
STUCK = FunctionReport("ordenes", ONE, {0: [7]}, WAITS, stuck=("database",))
WITHHOLDS = FunctionReport("ordenes", ONE, {0: [7]}, WAITS, stuck=("orden-actualizada",))
SILENT = FunctionReport("ordenes", ONE, {0: [7]}, WAITS, silent=("crear-orden",))


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (WELL, ""),
        (HALTED, "HALTED: takes nothing more from crear-orden, "),
        (STUCK, "STUCK: can't use the database. "),
        (WITHHOLDS, "STUCK: withholds an event that topic orden-actualizada refuses for its size; all else goes on. "),
        (SILENT, "SILENT: messages wait in crear-orden, "),
    ],
    ids=["well", "halted", "stuck", "withholds", "silent"],
)
def test_what_keeps_a_function_from_getting_on_is_one_line_and_it_does_not_count_as_running(
    report: FunctionReport, said: str
) -> None:
    first, waits, *more = lines(report, "start")
    assert first == "ordenes     1 of 1 running, 0 restarts, process 7"
    assert waits.split() == ["crear-orden", "300", "waiting", "in", "3", "batches,", "2", "not", "due", "yet"]
    assert [line.strip()[: len(said)] for line in more] == [said] * bool(said)
    assert report.runs == (not said)


def test_a_script_reads_each_by_its_name() -> None:
    assert WELL.as_json() == {
        "name": "ordenes",
        "deployed": True,
        "wanted": 1,
        "running": 1,
        "stopped": 0,
        "restarts": 0,
        "deaths": 0,
        "instances": [
            {"number": 0, "running": True, "stopped": False, "restarts": 0, "error": "", "worker": "", "pids": [7]}
        ],
        "waiting": [{"topic": "crear-orden", "messages": 3, "not_due": 2, "about": 300}],
        "halted": [],
        "stuck": [],
        "silent": [],
        "lacks": "",
        "unknown": [],
    }
    assert HALTED.as_json()["halted"] == ["crear-orden"]
    assert WITHHOLDS.as_json()["stuck"] == ["orden-actualizada"]
    assert SILENT.as_json()["silent"] == ["crear-orden"]


ON_A_CLUSTER = Target("pulsar://nowhere:6650", "http://nowhere:8080", {"ALPES_PAGOS_DSN": "x"}, local=None)
PAGOS = [function_configs.load()["pagos"]]
RUNS = {
    "numInstances": 1,
    "numRunning": 1,
    "instances": [{"instanceId": 0, "status": {"running": True, "workerId": "w2"}}],
}


class Admins:
    """An admin API whose nodes may be away: asked about what they have, it answers late, with an error."""

    def __init__(self, away: str = "nothing", error: Exception | None = None) -> None:
        self._away = away
        self._error = error or AdminUnreachableError("No Pulsar admin API at http://nowhere:8080 (timed out).")

    def find(self, path: str) -> Any:
        if self._away in path:
            time.sleep(0.2)
            raise self._error
        if path.endswith("/status"):
            return RUNS
        return {"subscriptions": {"pagos": {"msgBacklog": 3}}} if "partitioned-stats" in path else {}


def reported(api: Admins) -> FunctionReport:
    (found,) = read(PAGOS, cast("Admin", api), ON_A_CLUSTER)
    return found


def test_on_a_cluster_the_report_names_the_worker() -> None:
    assert lines(reported(Admins()), "start")[0] == "pagos       1 of 1 running on w2, 0 restarts"


@pytest.mark.parametrize(
    ("away", "first", "unknown"),
    [
        ("pagos/status", "pagos       not known", ["instances"]),
        ("/stats", "pagos       1 of 1 running on w2, 0 restarts", ["what holds it up"]),
        ("orden-creada", "pagos       1 of 1 running on w2, 0 restarts", ["orden-creada"]),
    ],
)
def test_what_a_dead_node_keeps_to_itself_is_not_known_and_the_rest_is_told(
    away: str, first: str, unknown: list[str]
) -> None:
    found = reported(Admins(away))
    told = lines(found, "start")
    assert told[0] == first
    assert [line.strip().split(": ")[1] for line in told if "NOT KNOWN" in line] == unknown
    assert not found.runs
    assert found.as_json()["unknown"][0].endswith("(timed out).")


def test_what_is_not_answered_is_waited_for_only_once() -> None:
    started = time.monotonic()
    refused = RefusedError("Pulsar at http://nowhere:8080 refused it: HTTP 500.", 500, "")
    assert len(reported(Admins("partitioned-stats", refused)).unknown) == len(PAGOS[0].inputs)
    assert time.monotonic() - started < 0.2 * len(PAGOS[0].inputs)


def test_a_cluster_that_answers_nothing_is_an_error_and_so_is_a_role_that_may_not_ask() -> None:
    with pytest.raises(AdminUnreachableError):
        reported(Admins("/"))
    with pytest.raises(SecurityError):
        reported(Admins("/stats", SecurityError("Role x may not ask.")))


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        (Waiting("t", None, None), "- waiting"),
        (Waiting("t", 0, 0, 0), "0 waiting"),
        (Waiting("t", 1, 0, 1), "1 waiting in 1 batch"),
        (Waiting("t", 7, 0), "7 batches waiting"),
    ],
)
def test_messages_are_told_or_batches_where_nobody_knows_how_many_they_hold(waiting: Waiting, said: str) -> None:
    told = lines(FunctionReport("ordenes", ONE, {}, (waiting,)), "start")[1]
    assert told.split()[1:] == said.split()


def test_deaths_are_told_apart_from_restarts() -> None:
    restarted = Instances(1, 1, (Instance(0, running=True, stopped=False, restarts=5, error=""),))
    told = lines(FunctionReport("ordenes", restarted, {}, deaths=2), "start")[0]
    assert told == "ordenes     1 of 1 running, 5 restarts, died 2 times lately"
