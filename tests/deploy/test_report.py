"""What `status` says about a function that runs but makes no progress, for a person and for a script."""

import pytest

from connection.functions import Instance, Instances, Waiting
from deployment.report import FunctionReport, lines

ONE = Instances(1, 1, (Instance(0, running=True, stopped=False, restarts=0, error=""),))
WAITS = (Waiting("crear-orden", 3, 2),)
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
    assert waits.split() == ["crear-orden", "3", "waiting,", "2", "not", "due", "yet"]
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
        "instances": [{"number": 0, "running": True, "stopped": False, "restarts": 0, "error": "", "pids": [7]}],
        "waiting": [{"topic": "crear-orden", "messages": 3, "not_due": 2}],
        "halted": [],
        "stuck": [],
        "silent": [],
        "lacks": "",
    }
    assert HALTED.as_json()["halted"] == ["crear-orden"]
    assert WITHHOLDS.as_json()["stuck"] == ["orden-actualizada"]
    assert SILENT.as_json()["silent"] == ["crear-orden"]
