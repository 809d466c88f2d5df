"""What the doctor says of functions, contracts, workers and clocks, on a stub of Pulsar."""

import os
import time
from types import SimpleNamespace

import pytest

from deployment import function_configs
from deployment.doctor import system
from deployment.doctor.examination import CHECKS, examine
from deployment.doctor.finding import OK, PROBLEM, SKIPPED, WARNING, Finding
from deployment.doctor.place import find
from tests.deploy.cluster_stub import Cluster
from tests.deploy.conftest import Checkout, Deployment

PAGOS = "alpes/tienda/pagos"


def looked_at(*names: str) -> dict[str, Finding]:
    place = find(list(function_configs.load().values()), os.environ, 10.0)
    return {finding.part: finding for finding in examine(place, 30.0, {name: CHECKS[name] for name in names})}


def test_what_is_deployed_from_this_checkout_is_well(checkout: Checkout, deployment_command: Deployment) -> None:
    assert deployment_command("deploy")[0] == 0
    found = looked_at("worker", "schemas", "functions", "clock")
    assert {part: finding.level for part, finding in found.items()} == dict.fromkeys(
        ("worker", "schemas", "function ordenes", "function pagos", "function reporting", "clock"), OK
    )


def test_nothing_is_changed(cluster: Cluster, checkout: Checkout, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    looked_at("worker", "state store", "schemas", "functions", "clock")
    assert (cluster.changes, cluster.commands) == ([], [])


def test_what_is_not_deployed_says_how_to_deploy_it(checkout: Checkout) -> None:
    found = looked_at("schemas", "functions")
    assert (found["schemas"].level, found["function pagos"].level) == (WARNING, PROBLEM)
    assert found["function pagos"].what == "not deployed"
    assert "./deploy.sh deploy" in found["schemas"].advice
    assert "./deploy.sh deploy" in found["function pagos"].advice


def test_a_function_of_another_checkout_is_a_warning(checkout: Checkout, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    checkout.change_code("pagos")
    found = looked_at("functions")
    assert [finding.level for finding in found.values()] == [OK, WARNING, OK]
    assert found["function pagos"].what == "1 of 1 running, 0 restarts; it is not of this checkout"


def test_a_function_that_does_not_run_or_get_on_is_a_problem_with_what_to_do(
    cluster: Cluster, checkout: Checkout, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.functions[PAGOS].metrics = {"user_metric_halted.orden-creada_sum": 1.0}
    found = looked_at("functions")["function pagos"]
    assert found.level == PROBLEM
    assert found.advice.startswith("HALTED: takes nothing more from orden-creada")
    cluster.functions[PAGOS].running = 0
    cluster.functions[PAGOS].error = "boom"
    found = looked_at("functions")["function pagos"]
    assert found.level == PROBLEM
    assert "0 of 1 running" in found.what


def test_a_contract_that_a_deployment_would_refuse_is_a_problem(
    cluster: Cluster, checkout: Checkout, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.register("alpes/tienda/orden-creada", "AVRO", "{}")
    found = looked_at("schemas")["schemas"]
    assert found.level == PROBLEM
    assert "orden-creada has somebody else's schema: AVRO" in found.what


@pytest.mark.parametrize(("ahead_s", "level"), [(1, OK), (20, WARNING), (-100, PROBLEM)])
def test_a_clock_that_is_wrong_is_told(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, ahead_s: float, level: str
) -> None:
    ours = SimpleNamespace(time=lambda: time.time() + ahead_s, monotonic=time.monotonic)
    monkeypatch.setattr(system, "time", ours)
    found = looked_at("clock")["clock"]
    assert found.level == level
    assert ("ahead of the broker" in found.what) == (ahead_s == 20)
    assert ("behind the broker" in found.what) == (ahead_s == -100)


def test_a_role_that_may_not_ask_for_the_workers_is_told_so(cluster: Cluster, checkout: Checkout) -> None:
    cluster.forbidden = {"/admin/v2/worker/cluster"}
    found = looked_at("worker")["worker"]
    assert (found.level, "may not GET /admin/v2/worker/cluster" in found.what) == (SKIPPED, True)
