"""What `./deploy.sh plan` says that deploying would change, and that deploying changes just that."""

from pathlib import Path

import pytest
import yaml

from connection.admin import Admin
from deployment import change, function_configs, gate, probe, topology, versions
from deployment.pulsar_cli import PulsarAdmin
from deployment.target import Target
from schemas.tienda.topics import NAMESPACE
from tests.deploy.cluster_stub import Cluster, Function
from tests.deploy.conftest import Checkout, Deployment

UNCHANGED = "Unchanged: there is nothing to deploy.\n"
NAMESPACE_PATH = f"/admin/v2/namespaces/{NAMESPACE}"
TOPICS_PATH = f"/admin/v2/persistent/{NAMESPACE}"


def test_on_a_target_without_anything_it_shows_everything_and_changes_nothing(
    cluster: Cluster, checkout: Checkout, deployment_command: Deployment
) -> None:
    code, told = deployment_command("plan")
    assert code == 3
    assert (cluster.changes, cluster.commands, checkout.migrated) == ([], [], [])
    assert '+ tenant alpes  allowedClusters: none → ["standalone"]' in told
    assert "+ namespace alpes/tienda  inactiveTopicPolicies.deleteWhileInactive: none → false" in told
    assert "+ 20 topics  partitions: none → 1: crear-orden, crear-orden-DLQ, " in told
    assert "+ topic orden-creada  schema: none → tienda.v1.OrdenCreada" in told
    assert "+ topic crear-orden  contract: none → tienda.v1.CrearOrden" in told
    assert "+ 3 databases  migration 0001_all.sql: none → applied: ordenes, pagos, reporting" in told
    assert "+ 3 functions: none → created, with parallelism 1: ordenes, pagos, reporting" in told
    assert change.BY_HAND not in told


def test_after_a_deployment_there_is_nothing_to_deploy(deployment_command: Deployment) -> None:
    deployment_command("deploy")
    assert deployment_command("plan") == (0, UNCHANGED)


@pytest.mark.parametrize(
    ("policy", "by_hand", "line"),
    [
        (
            "inactiveTopicPolicies",
            {"deleteWhileInactive": True, "inactiveTopicDeleteMode": "x", "maxInactiveDurationSeconds": 1},
            "inactiveTopicPolicies.deleteWhileInactive: true → false",
        ),
        (
            "retention",
            {"retentionTimeInMinutes": 5, "retentionSizeInMB": -1},
            "retention.retentionTimeInMinutes: 5 → -1",
        ),
        ("messageTTL", 3600, "messageTTL: 3600 → 0"),
        ("subscriptionExpirationTime", 60, "subscriptionExpirationTime: 60 → 0"),
        ("delayedDelivery", {"active": False, "tickTime": 5}, "delayedDelivery.active: false → true"),
        ("deduplication", True, "deduplication: true → false"),
        ("schemaValidationEnforced", True, "schemaValidationEnforced: true → false"),
    ],
)
def test_a_policy_that_somebody_changed_is_shown_as_that_and_mended(
    cluster: Cluster, deployment_command: Deployment, policy: str, by_hand: object, line: str
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    cluster.policies[NAMESPACE, policy] = by_hand
    code, told = deployment_command("plan")
    assert (code, f"{NAMESPACE}  {line}  (changed by hand)" in told) == (3, True), told
    assert cluster.changes == []
    code, told = deployment_command("deploy")
    assert (code, f"policies set: {policy}" in told, "nchanged:" in told) == (0, True, False)
    assert cluster.changes == [f"POST {NAMESPACE_PATH}/{policy}"]
    assert deployment_command("plan") == (0, UNCHANGED)


def test_fields_of_a_policy_that_do_not_matter_stay_as_they_are(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.policies[NAMESPACE, "delayedDelivery"] = {"active": True, "maxDeliveryDelayInMillis": 5, "tickTime": 7}
    deployment_command("deploy")
    mended = {"active": True, "maxDeliveryDelayInMillis": 0, "tickTime": 7}
    assert cluster.policies[NAMESPACE, "delayedDelivery"] == mended


def test_a_backlog_quota_that_drops_messages_holds_its_producers_instead(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    quota = {"limitSize": 10, "limitTime": -1, "policy": "consumer_backlog_eviction"}
    cluster.policies[NAMESPACE, "backlogQuotaMap"] = {"destination_storage": quota}
    assert (
        "backlogQuota.destination_storage.policy: consumer_backlog_eviction → producer_request_hold"
        in (deployment_command("plan")[1])
    )
    deployment_command("deploy")
    assert cluster.policies[NAMESPACE, "backlogQuota"] == {**quota, "policy": "producer_request_hold"}


def test_a_partition_that_is_gone_is_made_again(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    cluster.deleted = {f"{NAMESPACE}/crear-orden-DLQ-partition-0"}
    code, told = deployment_command("plan")
    assert code == 3
    assert "+ topic crear-orden-DLQ  partition 0: none → made again, empty" in told
    code, told = deployment_command("deploy")
    assert (code, "partitions made again: crear-orden-DLQ" in told, "nchanged:" in told) == (0, True, False)
    assert cluster.changes == [f"POST {TOPICS_PATH}/crear-orden-DLQ/createMissedPartitions"]
    assert deployment_command("plan") == (0, UNCHANGED)


@pytest.mark.parametrize("made", ["crear-orden-DLQ-partition-0", "crear-orden-DLQ"])
def test_a_topic_that_a_producer_made_stays_as_it_is(
    cluster: Cluster, deployment_command: Deployment, made: str
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    del cluster.topics[f"{NAMESPACE}/crear-orden-DLQ"]
    cluster.grown = {f"{NAMESPACE}/{made}"}
    stays = (
        "= topic crear-orden-DLQ  was made by a producer, without a number of partitions: it works, and stays as it is"
    )
    assert deployment_command("plan") == (0, f"{stays}\n{UNCHANGED}")
    assert deployment_command("deploy")[0] == 0
    assert cluster.changes == []


def test_more_partitions_are_shown_added_and_no_unchanged(
    cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    deployment_command("deploy")
    values = yaml.safe_load(topology.PATH.read_text())
    (tmp_path / "topics.yaml").write_text(yaml.safe_dump({**values, "partitions": 3}))
    read = topology.load
    monkeypatch.setattr(topology, "load", lambda: read(tmp_path / "topics.yaml"))
    code, told = deployment_command("plan")
    assert (code, set(cluster.topics.values())) == (3, {1})
    assert "~ 20 topics  partitions: 1 → 3: crear-orden, " in told
    code, told = deployment_command("deploy")
    assert (code, "partitions added: crear-orden" in told, "nchanged:" in told) == (0, True, False)
    assert set(cluster.topics.values()) == {3}


def test_a_new_configuration_is_shown_field_by_field(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    checkout.change_user_config("pagos", approval_rate=0.5)
    code, told = deployment_command("plan")
    assert (code, cluster.commands) == (3, [])
    assert told == "~ function pagos  userConfig.approval_rate: 0.9 → 0.5\nDeploying would change 1 field.\n"


def test_new_code_is_shown_without_a_field(checkout: Checkout, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    checkout.change_code("pagos")
    code, told = deployment_command("plan")
    assert (code, told.startswith("~ function pagos  code: zip ")) == (3, True)


def test_a_function_that_somebody_changed_is_shown_as_that_and_mended(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    config = cluster.functions[f"{NAMESPACE}/pagos"].config
    config["userConfig"] = {**config["userConfig"], "approval_rate": 0.1, "unknown": 1}
    code, told = deployment_command("plan")
    assert code == 3
    assert "~ function pagos  userConfig.approval_rate: 0.1 → 0.9  (changed by hand)" in told
    assert "- function pagos  userConfig.unknown: 1 → none  (changed by hand)" in told
    assert deployment_command("deploy")[0] == 0
    assert cluster.functions[f"{NAMESPACE}/pagos"].config["userConfig"]["approval_rate"] == 0.9
    assert deployment_command("plan") == (0, UNCHANGED)


def test_what_pulsar_adds_to_a_configuration_is_no_change(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    config = cluster.functions[f"{NAMESPACE}/pagos"].config
    config.update(timeoutMs=None, maxMessageRetries=0, logTopic=None)
    config["resources"] = {**config["resources"], "disk": 10737418240}
    config["userConfig"] = {
        name: float(value) if type(value) is int else value for name, value in config["userConfig"].items()
    }
    for spec in config["inputSpecs"].values():
        spec.update(schemaProperties={}, isRegexPattern=False)
    assert deployment_command("plan") == (0, UNCHANGED)


def test_a_function_that_somebody_deleted_is_shown_as_that(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    del cluster.functions[f"{NAMESPACE}/pagos"]
    told = deployment_command("plan")[1]
    assert "+ function pagos: none → created, with parallelism 1  (changed by hand)" in told


def test_a_parallelism_that_scale_set_is_told_and_stays(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    deployment_command("scale", "pagos", "3")
    stays = "= function pagos  parallelism: 3 stays, as it was set there; pagos.yaml says 1\n"
    assert deployment_command("plan") == (0, f"{stays}{UNCHANGED}")


def test_a_plan_without_functions_is_about_the_rest_alone(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.functions.clear()
    cluster.policies[NAMESPACE, "messageTTL"] = 5
    code, told = deployment_command("plan", "--without-functions")
    assert (code, "messageTTL: 5 → 0" in told, "function" in told) == (3, True, False)


def test_a_schema_that_somebody_removed_is_shown_as_that_and_registered_again(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    del cluster.schemas[f"{NAMESPACE}/orden-creada"]
    code, told = deployment_command("plan")
    assert (code, cluster.schemas.get(f"{NAMESPACE}/orden-creada")) == (3, None)
    assert "+ topic orden-creada  schema: none → tienda.v1.OrdenCreada  (changed by hand)" in told
    deployment_command("deploy")
    assert deployment_command("plan") == (0, UNCHANGED)


def test_what_would_be_refused_is_refused_by_the_plan(
    cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_command("deploy")
    cluster.functions[f"{NAMESPACE}/pagos"] = Stopped(cluster.functions[f"{NAMESPACE}/pagos"])
    monkeypatch.setattr("deployment.deploy.STOPPED_S", 0.0)
    code, told = deployment_command("plan")
    assert code == 1
    assert told.startswith(UNCHANGED)
    assert "because pagos is stopped" in told


class Stopped(Function):
    """A function that somebody stopped."""

    def __init__(self, function: Function) -> None:
        super().__init__(function.config, function.package)

    def status(self) -> dict[str, object]:
        stopped = {"instanceId": 0, "status": {"running": False, "workerId": "standalone"}}
        return {"numInstances": 1, "numRunning": 0, "instances": [stopped]}


def test_a_role_that_is_no_superuser_deploys_into_a_prepared_tenant(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    cluster.tenants["alpes"] = {}
    cluster.forbidden = {"/admin/v2/tenants", "/admin/v2/clusters", "/admin/v2/worker/cluster"}
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert "may not" not in told


def test_what_a_role_may_not_ask_for_is_taken_as_prepared_and_told(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    cluster.forbidden = {NAMESPACE_PATH, TOPICS_PATH}
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert cluster.changes == []
    for what in ("policies", "topics"):
        (line,) = [
            line for line in told.splitlines() if line.startswith(f"The namespace's {what} are taken as prepared")
        ]
        assert "may not GET" in line


def test_a_policy_that_a_role_may_not_set_is_one_line(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.policies[NAMESPACE, "messageTTL"] = 5
    cluster.forbidden = {f"POST {NAMESPACE_PATH}/messageTTL"}
    code, told = deployment_command("deploy")
    assert (code, told.count("may not POST")) == (1, 1), told


@pytest.mark.parametrize(
    "refused", ["/admin/v2/worker/cluster", "/admin/v2/tenants", "PUT /admin/v2/tenants/alpes-probe"]
)
def test_a_role_that_may_run_no_probe_goes_on_without_and_is_told_so(
    cluster: Cluster, capfd: pytest.CaptureFixture[str], refused: str
) -> None:
    cluster.forbidden = {refused}
    target = Target("pulsar://127.0.0.1:1", cluster.url, {}, None)
    configs = list(function_configs.load().values())
    probe.check(configs, target, Admin(cluster.url), PulsarAdmin(cluster.pulsar_admin, Admin(cluster.url)))
    told = capfd.readouterr().err
    assert told.startswith("The workers were not probed, since a probe needs a superuser: ")
    assert told.count("\n") == 1
    assert cluster.changes == []


@pytest.mark.parametrize(
    ("version", "mended"),
    [
        ("4.0.8", "4.0.14"),
        ("4.0.13", "4.0.14"),
        ("4.0.14", ""),
        ("4.1.3", "4.2.5"),
        ("4.2.5", ""),
        ("5.0.0", ""),
        ("4.0.8-SNAPSHOT", "4.0.14"),
        ("unknown", ""),
    ],
)
def test_a_version_with_known_holes_is_told_with_the_one_that_mends_them(
    cluster: Cluster, version: str, mended: str
) -> None:
    cluster.version = version
    told = versions.warning(Target("", cluster.url, {}, None), Admin(cluster.url))
    assert (told == "") is (mended == "")
    if mended:
        assert f"Pulsar {version} has 8 known holes" in told
        assert f"update it to {mended} or later" in told


def test_the_documents_name_every_hole() -> None:
    told = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert [hole for hole in versions.HOLES if hole not in told] == []


def test_a_plan_asks_for_no_permission(deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment_command("deploy")
    monkeypatch.setattr(gate, "_judge", lambda ours, held: ["a field is gone"])
    code, told = deployment_command("plan")
    assert (code, "Nothing was done, because these changes break" in told) == (1, True)
