"""What an operator does with ./deploy.sh while the system runs: status, logs, a kill, a stopped function."""

import json

import pytest

from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import FUNCTIONS, Tienda, stopped, wait_until
from tests.stack import asked, uses_environment

pytestmark = [
    pytest.mark.core,
    pytest.mark.skipif(uses_environment(), reason="processes and logs are those of a local stack"),
]


def pids(stack: Tienda, function: str) -> list[int]:
    return sorted(process.pid for process in stack.processes(function))


def test_status_names_the_processes_of_this_stack(stack: Tienda) -> None:
    done = asked(stack, "status", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert told["all_running"]
    found = {each["name"]: [pid for one in each["instances"] for pid in one["pids"]] for each in told["functions"]}
    assert found == {function: pids(stack, function) for function in FUNCTIONS}
    for pid in (pid for each in found.values() for pid in each):
        assert f"{pid}" in asked(stack, "status").stdout


def test_a_drill_kills_one_of_its_own_and_the_worker_starts_it_again(stack: Tienda) -> None:
    before = pids(stack, "pagos")
    done = asked(stack, "kill", "pagos")
    assert done.returncode == 0, done.stderr
    assert f"process {before[0]}" in done.stdout
    wait_until(lambda: pids(stack, "pagos") not in ([], before), 60, "another process runs")
    wait_until(lambda: stack.running("pagos"), 60, "the function runs")
    assert asked(stack, "kill", "nobody").returncode == 2


def test_logs_show_what_all_functions_say_and_not_what_pulsar_says_of_a_start(stack: Tienda) -> None:
    done = asked(stack, "logs", "--tail", "1000")
    assert done.returncode == 0, done.stderr
    assert {line.partition("-")[0] for line in done.stdout.splitlines()} == set(FUNCTIONS)
    assert "Starting Python instance" not in done.stdout
    whole = asked(stack, "logs", "pagos", "--all", "--tail", "1000").stdout
    assert "Starting Python instance" in whole
    assert "ordenes-0" not in whole
    assert asked(stack, "logs", "pagos", "--tail", "-1").returncode == 2


def test_a_function_that_was_stopped_is_called_so_with_the_command_that_starts_it(stack: Tienda) -> None:
    with stopped(stack, "reporting"):
        told, refused = asked(stack, "status"), asked(stack, "deploy")
    assert told.returncode == 3
    assert refused.returncode == 1
    tenant, namespace = NAMESPACE.split("/")
    for text in (told.stdout, refused.stderr):
        assert "stopped" in text.lower()
        assert f"functions start --tenant {tenant} --namespace {namespace} --name reporting" in text
