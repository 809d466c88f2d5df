"""What deploying asks the cluster to do the first time, the second time, and after each kind of change."""

import io
import json
import zipfile
from pathlib import Path

import pytest
import yaml

from deployment import deploy, function_configs, instances, releases, topology, wheels
from local_stack import credentials, stack
from local_stack.settings import from_environment
from schemas.tienda.topics import NAMESPACE, full_name
from tests.deploy.cluster_stub import Cluster, name_of, options
from tests.deploy.conftest import Checkout, Deployment, summary

SERVICES = tuple(function_configs.load())
TENANT, TIENDA = NAMESPACE.split("/")
INPUTS = (
    "crear-orden",
    "orden-creada",
    "transaccion-creada",
    "orden-actualizada",
    "reembolsar-transaccion",
    "generar-reporte",
    "ordenes-reintento",
    "pagos-reintento",
    "reporting-reintento",
)
EVENTS = ("orden-creada", "transaccion-creada", "orden-actualizada", "reporte-generado")


def commands(cluster: Cluster) -> list[tuple[str, str]]:
    """Each pulsar-admin command as (command, function), in the order of their names: two run at once."""
    found = [options(arguments) for arguments in cluster.commands]
    return sorted((each["command"], name_of(each)) for each in found)


def test_brokers_read_the_bundles_again_until_the_first_deployment_has_got_through(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    policy = f"/admin/v2/namespaces/{NAMESPACE}/antiAffinity"
    cluster.forbidden = {f"DELETE {policy}"}
    assert deployment_command("deploy")[0] != 0
    assert f"POST {policy}" in cluster.changes
    cluster.forbidden = set()
    cluster.forget_changes()
    assert deployment_command("deploy")[0] == 0
    assert cluster.changes[:2] == [f"POST {policy}", f"DELETE {policy}"]
    cluster.forget_changes()
    assert deployment_command("deploy")[0] == 0
    assert not [change for change in cluster.changes if policy in change]


def test_the_first_deployment_makes_tenant_namespace_topics_and_schemas(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert list(cluster.tenants) == [TENANT]
    assert list(cluster.namespaces) == [NAMESPACE]
    assert {policy: value for (_, policy), value in cluster.policies.items()} == {
        "retention": {"retentionTimeInMinutes": -1, "retentionSizeInMB": -1},
        "inactiveTopicPolicies": {
            "deleteWhileInactive": False,
            "inactiveTopicDeleteMode": "delete_when_no_subscriptions",
            "maxInactiveDurationSeconds": 60,
        },
        "messageTTL": 0,
        "subscriptionExpirationTime": 0,
        "delayedDelivery": {"active": True, "maxDeliveryDelayInMillis": 0, "tickTime": 1000},
        "deduplication": False,
        "schemaValidationEnforced": False,
        "maxUnackedMessagesPerSubscription": 0,
    }
    wanted = {*INPUTS, *(f"{name}-DLQ" for name in INPUTS), "reporte-generado", "dlq-bitacora"}
    assert cluster.topics == {f"{NAMESPACE}/{name}": 1 for name in wanted}
    assert set(cluster.schemas) == {f"{NAMESPACE}/{name}" for name in EVENTS}


def test_the_first_deployment_creates_each_function_from_its_config_file_and_zip(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert commands(cluster) == [("create", name) for name in SERVICES]
    for name in SERVICES:
        asked = cluster.command(name)
        assert Path(asked["function-config-file"]) == checkout.build / f"{name}.yaml"
        assert Path(asked["py"]) == checkout.build / f"alpes-{name}.zip"
        assert asked["admin-url"] == cluster.url
        assert f"{name:<10} created, 1 of 1 running" in told


@pytest.mark.usefixtures("worker_check")
def test_the_zips_and_tables_of_a_first_deployment_are_ready_before_a_function_is(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    assert sorted(checkout.state_tables) == [f"{TENANT}_{TIENDA}.{name}" for name in SERVICES]
    assert checkout.migrated == list(SERVICES)
    for name in SERVICES:
        assert cluster.functions[f"{NAMESPACE}/{name}"].package == (checkout.build / f"alpes-{name}.zip").read_bytes()


def test_configs_and_topics_share_one_namespace() -> None:
    for config in function_configs.load().values():
        assert config.namespace == NAMESPACE
        topics = [*config.inputs, *filter(None, [config.values.get("output")])]
        assert [topic for topic in topics if not topic.startswith(full_name(""))] == [], config.name


def test_a_second_deployment_changes_nothing_and_says_so(
    cluster: Cluster, deployment_command: Deployment, tmp_path: Path
) -> None:
    deployment_command("deploy", "--summary-json", str(tmp_path / "first.json"))
    assert summary(tmp_path / "first.json")["changed"] == list(SERVICES)
    cluster.forget_changes()

    code, told = deployment_command("deploy", "--summary-json", str(tmp_path / "second.json"))
    assert code == 0, told
    assert cluster.changes == []
    assert cluster.commands == []
    assert "nchanged" in told
    assert summary(tmp_path / "second.json") == {"changed": [], "started_at_ms": None, "unchanged": True}


def test_changed_code_updates_its_function_alone(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    checkout.change_code("pagos")
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert commands(cluster) == [("update", "pagos")]
    assert b"# changed" in cluster.functions[f"{NAMESPACE}/pagos"].package

    cluster.forget_changes()
    assert deployment_command("deploy")[0] == 0
    assert cluster.commands == []


def test_a_changed_config_updates_its_function_alone(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    checkout.change_user_config("pagos", approval_rate=0.5)
    deployment_command("deploy")
    assert commands(cluster) == [("update", "pagos")]
    assert cluster.functions[f"{NAMESPACE}/pagos"].config["userConfig"]["approval_rate"] == 0.5


def test_a_comment_in_a_config_is_no_change(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    with (checkout.root / "function-configs" / "pagos.yaml").open("a") as file:
        file.write("# said later\n")
    deployment_command("deploy")
    assert cluster.commands == []


def test_only_the_named_functions_are_deployed(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    code, told = deployment_command("deploy", "ordenes")
    assert code == 0, told
    assert commands(cluster) == [("create", "ordenes")]
    assert checkout.migrated == ["ordenes"]


def test_what_was_created_before_an_interruption_is_not_created_again(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy", "ordenes")
    cluster.forget_changes()
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert commands(cluster) == [("create", "pagos"), ("create", "reporting")]


def test_scaling_changes_the_number_of_instances_and_nothing_else(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    before = dict(cluster.functions[f"{NAMESPACE}/ordenes"].config)
    cluster.forget_changes()
    code, told = deployment_command("scale", "ordenes", "3")
    assert code == 0, told
    assert cluster.command("ordenes") == {
        "admin-url": cluster.url,
        "command": "update",
        "tenant": TENANT,
        "namespace": TIENDA,
        "name": "ordenes",
        "parallelism": "3",
    }
    assert cluster.functions[f"{NAMESPACE}/ordenes"].config == {**before, "parallelism": 3}


def test_a_scaled_parallelism_survives_a_deployment(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    deployment_command("scale", "ordenes", "3")
    cluster.forget_changes()
    deployment_command("deploy")
    assert cluster.commands == []

    checkout.change_code("ordenes")
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert commands(cluster) == [("update", "ordenes")]
    assert cluster.functions[f"{NAMESPACE}/ordenes"].parallelism == 3


def test_a_number_that_is_set_during_a_deployment_stays_and_is_told(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_command("deploy")
    checkout.change_code("ordenes")

    def autoscale(*_arguments: object, **_options: object) -> None:
        for function in cluster.functions.values():
            function.config["parallelism"] = 2

    # After the plan, while the workers are being checked.
    monkeypatch.setattr(deploy, "_check", autoscale)
    code, told = deployment_command("deploy")
    assert code == 0, told
    meanwhile = "2 of 2 running (somebody set 2 instances meanwhile, not 1)"
    assert f"ordenes    updated, {meanwhile}" in told
    assert f"pagos      unchanged, {meanwhile}" in told
    assert {function.parallelism for function in cluster.functions.values()} == {2}


def test_a_number_that_is_taken_back_while_scale_waits_is_told(
    cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_command("deploy")
    # The bound that `alpes autoscale` brings it back to.
    monkeypatch.setattr(
        releases, "scale", lambda *_: cluster.functions[f"{NAMESPACE}/pagos"].config.update(parallelism=4)
    )
    code, told = deployment_command("scale", "pagos", "6")
    assert (code, "pagos: 4 running (somebody set 4 instances meanwhile, not 6)" in told) == (0, True), told


def test_a_changed_parallelism_of_the_config_file_wins_over_a_scaled_one(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    deployment_command("scale", "ordenes", "3")
    checkout.change_config("ordenes", parallelism=2)
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert cluster.functions[f"{NAMESPACE}/ordenes"].parallelism == 2

    deployment_command("scale", "ordenes", "4")
    deployment_command("deploy")
    assert cluster.functions[f"{NAMESPACE}/ordenes"].parallelism == 4


def test_a_parallelism_outside_the_bounds_of_autoscale_is_brought_back_and_the_deployment_says_so(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    deployment_command("scale", "ordenes", "6")
    deployment_command("scale", "pagos", "4")
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert "ordenes    updated, 4 of 4 running (6 instances are outside the bounds 1 to 4 of ordenes.yaml)" in told
    assert "pagos      unchanged, 4 of 4 running" in told
    checkout.change_config("pagos", autoscale={"min": 1, "max": 2})
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert cluster.functions[f"{NAMESPACE}/pagos"].parallelism == 2


def test_without_functions_only_what_they_need_is_made(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    code, told = deployment_command("deploy", "--without-functions")
    assert code == 0, told
    assert set(cluster.schemas) == {f"{NAMESPACE}/{name}" for name in EVENTS}
    assert checkout.migrated == list(SERVICES)
    assert not cluster.functions
    _, told = deployment_command("deploy", "--without-functions")
    assert "Unchanged" in told


def test_self_contained_functions_are_deployed_with_their_packages(
    cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheel = tmp_path / "psycopg-3.3.9-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    monkeypatch.setattr(wheels, "fetch", lambda _folder, _interpreter: [wheel])
    code, told = deployment_command("deploy", "--self-contained", "--python", "3.12")
    assert code == 0, told
    deployed = cluster.functions[f"{NAMESPACE}/pagos"].package
    assert f"alpes-pagos/deps/{wheel.name}" in zipfile.ZipFile(io.BytesIO(deployed)).namelist()


def test_pulsar_never_sees_the_bounds_which_it_would_refuse(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    assert "autoscale" not in cluster.functions[f"{NAMESPACE}/pagos"].config
    checkout.change_config("pagos", autoscale={"min": 1, "max": 3})
    _, told = deployment_command("deploy")
    assert "Unchanged" in told


@pytest.mark.parametrize(
    "bounds", [{"min": 0, "max": 2}, {"min": 3, "max": 2}, {"min": 1}, {"min": True, "max": 2}, 3, {"min": 2, "max": 3}]
)
def test_bounds_that_can_not_be_kept_are_refused_by_the_name_of_their_file(
    checkout: Checkout, deployment_command: Deployment, bounds: object
) -> None:
    checkout.change_config("pagos", autoscale=bounds)
    code, told = deployment_command("deploy")
    assert code == 1
    assert told.startswith("pagos.yaml: ")


@pytest.mark.parametrize(
    ("resources", "said"),
    [
        ({"cpu": 0}, "resources.cpu is 0. It must be a number of cores above 0."),
        ({"cpu": None}, "resources.cpu is None. It must be a number of cores above 0."),
        ({"cpu": 1, "ram": 0}, "resources.ram is 0. It must be a whole number of bytes above 0."),
        ({"cpu": 1, "ram": "512MB"}, "resources.ram is '512MB'. It must be a whole number of bytes above 0."),
        ("large", "resources is 'large'. It must be like {cpu: 1.0, ram: 536870912}."),
    ],
)
def test_resources_by_which_no_load_can_be_measured_are_refused_by_their_file_and_key(
    checkout: Checkout, deployment_command: Deployment, resources: object, said: str
) -> None:
    checkout.change_config("pagos", resources=resources)
    code, told = deployment_command("deploy")
    assert code == 1
    assert told.startswith(f"pagos.yaml: {said}")


def test_a_config_file_that_catches_up_with_a_scaled_parallelism_restarts_nothing_and_rules_again(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    deployment_command("scale", "ordenes", "2")
    checkout.change_config("ordenes", parallelism=2)
    cluster.forget_changes()
    deployment_command("deploy")
    assert cluster.commands == []

    checkout.change_config("ordenes", parallelism=1)
    deployment_command("deploy")
    assert cluster.functions[f"{NAMESPACE}/ordenes"].parallelism == 1


def test_a_function_that_never_ran_here_takes_the_parallelism_of_its_config_file(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    checkout.change_config("ordenes", parallelism=4)
    deployment_command("deploy")
    assert cluster.functions[f"{NAMESPACE}/ordenes"].parallelism == 4


def test_scaling_to_what_there_is_does_nothing(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    assert deployment_command("scale", "ordenes", "1")[0] == 0
    assert cluster.commands == []


def test_scaling_what_is_not_deployed_says_how_to_deploy_it(deployment_command: Deployment) -> None:
    code, told = deployment_command("scale", "ordenes", "2")
    assert code == 1
    assert told.strip().endswith("run ./deploy.sh deploy ordenes")


def test_no_instances_at_all_is_refused(deployment_command: Deployment) -> None:
    code, told = deployment_command("scale", "ordenes", "0")
    assert code == 2
    assert len(told.strip().splitlines()) == 1


@pytest.mark.parametrize("command", [("deploy", "ordnes"), ("scale", "ordnes", "2"), ("logs", "ordnes")])
def test_an_unknown_function_is_named_with_the_nearest(
    cluster: Cluster, deployment_command: Deployment, command: tuple[str, ...]
) -> None:
    code, told = deployment_command(*command)
    assert code == 2
    assert told.strip() == "There is no function 'ordnes'. Did you mean 'ordenes'?"
    assert cluster.commands == []


@pytest.mark.usefixtures("worker_check")
def test_an_unknown_key_of_user_config_stops_before_anything_is_created(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    checkout.change_user_config("pagos", aproval_rate=0.5)
    code, told = deployment_command("deploy")
    assert code == 1
    assert "pagos" in told
    assert "unknown key 'aproval_rate'; did you mean 'approval_rate'?" in told
    assert len(told.strip().splitlines()) == 1
    assert cluster.changes == []
    assert cluster.commands == []


@pytest.mark.usefixtures("worker_check")
def test_a_package_that_the_workers_python_lacks_stops_before_anything_is_created(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    (checkout.python_instance / "python_instance_main.py").write_text("import a_package_nobody_has\n")
    code, told = deployment_command("deploy")
    assert code == 1
    assert "No module named 'a_package_nobody_has'" in told
    assert "requirements/runtime.txt" in told
    assert len(told.strip().splitlines()) == 1
    assert cluster.changes == []


def test_a_function_that_pulsar_refuses_is_told_with_pulsars_reason(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy", "ordenes")
    real = cluster.functions.pop(f"{NAMESPACE}/ordenes")

    class Refusing(dict[str, object]):
        unseen = 2

        def get(self, name: object, default: object = None) -> object:
            self.unseen -= 1
            return None if self.unseen >= 0 else super().get(name, default)  # type: ignore[call-overload]

    cluster.functions = Refusing({f"{NAMESPACE}/ordenes": real})  # type: ignore[assignment]
    code, told = deployment_command("deploy", "ordenes")
    assert code == 1
    assert "pulsar-admin functions create failed: Function ordenes already exists" in told


def test_an_instance_that_does_not_come_up_is_told_with_its_error_and_the_last_in_its_log(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment
) -> None:
    log = checkout.function_logs / NAMESPACE / "ordenes" / "ordenes-0.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "[2026-01-01 00:00:00 +0000] [ERROR] runner.py: an older one\n"
        "[2026-01-01 00:00:01 +0000] [CRITICAL] runner.py: there is no state store\n"
        "[2026-01-01 00:00:02 +0000] [ERROR] python_instance.py: "
        "Failed to load the crypto key reader from spec: , error: none\n"
        "[2026-01-01 00:00:03 +0000] [INFO] python_instance_main.py: shutting down\n"
    )
    cluster.failing = "the worker's word"
    code, told = deployment_command("deploy", "ordenes")
    assert code == 1
    *_, said, logged = told.strip().splitlines()
    assert said.startswith("Function ordenes: 0 of 1 instances run after ")
    assert "the worker's word" in said
    assert logged == "[2026-01-01 00:00:01 +0000] [CRITICAL] runner.py: there is no state store"


def test_instances_of_before_an_update_are_not_taken_for_the_new_ones(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_command("deploy")
    monkeypatch.setattr(instances, "REPLACED_S", 60.0)
    checkout.change_code("ordenes")
    cluster.after_update = [1, 1, 0]
    code, told = deployment_command("deploy")
    assert code == 0, told
    assert cluster.after_update == [], "it waited until the old instance was gone"


def test_an_update_that_kills_its_instances_is_no_success_because_the_old_ones_ran(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_command("deploy")
    monkeypatch.setattr(instances, "REPLACED_S", 60.0)
    checkout.change_code("ordenes")
    cluster.after_update = [1, 1]
    cluster.failing = "SyntaxError"
    code, told = deployment_command("deploy")
    assert code == 1
    assert "SyntaxError" in told


def test_a_missing_pulsar_admin_is_one_clear_line(
    cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PULSAR_ADMIN", str(tmp_path / "nowhere"))
    code, told = deployment_command("deploy", "ordenes")
    assert code == 1
    assert "PULSAR_ADMIN=" in told.strip().splitlines()[-1]


def test_more_partitions_are_added_and_fewer_refused(
    cluster: Cluster, deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def partitions(count: int) -> None:
        values = yaml.safe_load(topology.PATH.read_text())
        (tmp_path / "topics.yaml").write_text(yaml.safe_dump({**values, "partitions": count}))

    read = topology.load
    monkeypatch.setattr(topology, "load", lambda: read(tmp_path / "topics.yaml"))
    for count in (1, 3):
        partitions(count)
        code, told = deployment_command("deploy")
        assert code == 0, told
        assert set(cluster.topics.values()) == {count}

    partitions(2)
    code, told = deployment_command("deploy")
    assert code == 1
    assert "3 partitions" in told
    assert set(cluster.topics.values()) == {3}


@pytest.fixture
def stack_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the first part of `status`, about the local stack, say that it runs; these tests are about the rest."""
    running = [stack.Status("Pulsar", 1, ready=True, address="here"), stack.Status("PostgreSQL", 2, True, "there")]
    monkeypatch.setattr(stack, "status", lambda _settings: running)


@pytest.mark.usefixtures("stack_runs")
def test_status_shows_instances_and_backlogs(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.backlog["crear-orden"] = 4711
    code, told = deployment_command("status")
    assert code == 0
    assert "1 of 1 running, 0 restarts" in told
    assert "4711" in told

    cluster.functions[f"{NAMESPACE}/pagos"].running = 0
    cluster.functions[f"{NAMESPACE}/pagos"].error = "it is gone"
    code, told = deployment_command("status")
    assert code != 0
    assert "0 of 1 running" in told
    assert "it is gone" in told


@pytest.mark.usefixtures("stack_runs")
def test_status_says_of_which_input_a_function_takes_no_more(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.functions[f"{NAMESPACE}/ordenes"].metrics = {
        "user_metric_halted.crear-orden_sum": 1.0,
        "user_metric_halted.crear-orden_count": 1.0,
        "user_metric_dead_lettered_sum": 19.0,
    }
    code, told = deployment_command("status")
    assert code != 0
    assert "HALTED: takes nothing more from crear-orden" in told
    assert "./deploy.sh logs ordenes" in told


@pytest.mark.usefixtures("stack_runs")
def test_status_says_what_a_function_waits_for_in_vain_and_not_what_is_over(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    metrics = cluster.functions[f"{NAMESPACE}/ordenes"].metrics = {
        "user_metric_stuck.database_sum": 1.0,
        "user_metric_stuck.database_count": 3.0,
        "user_metric_stuck.broker_sum": 0.0,
        "user_metric_stuck.broker_count": 2.0,
    }
    code, told = deployment_command("status")
    assert code != 0
    assert "STUCK: can't use the database" in told
    assert "the broker" not in told
    metrics["user_metric_stuck.database_sum"] = 0.0
    code, told = deployment_command("status")
    assert (code, "STUCK" in told) == (0, False)


@pytest.mark.usefixtures("stack_runs")
def test_status_says_of_which_input_nothing_comes_unless_its_senders_delayed_all(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.functions[f"{NAMESPACE}/ordenes"].metrics = {"user_metric_silent.crear-orden_sum": 1.0}
    cluster.backlog["crear-orden"] = 7
    cluster.delayed["crear-orden"] = 5
    code, told = deployment_command("status")
    assert (code, "SILENT: messages wait in crear-orden" in told) == (3, True)
    found = json.loads(deployment_command("status", "--json")[1])
    assert found["all_running"] is False
    assert [each["silent"] for each in found["functions"]] == [["crear-orden"], [], []]
    cluster.delayed["crear-orden"] = 7
    code, told = deployment_command("status")
    assert (code, "SILENT" in told) == (0, False)


NO_DATABASE = "The local stack has no database for ALPES_ENVIOS_DSN yet: run ./deploy.sh up"


@pytest.mark.usefixtures("stack_runs")
def test_status_shows_the_others_beside_a_function_without_a_database_and_says_what_it_lacks(
    checkout: Checkout, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    checkout.add_service("envios")
    code, told = deployment_command("status")
    assert code == 3
    assert told.count("1 of 1 running") == len(SERVICES)
    lines = told.splitlines()
    assert lines[lines.index("envios      not deployed") + 1].strip() == NO_DATABASE
    found = {each["name"]: each for each in json.loads(deployment_command("status", "--json")[1])["functions"]}
    assert (found["envios"]["deployed"], found["envios"]["lacks"]) == (False, NO_DATABASE)
    assert {found[name]["lacks"] for name in SERVICES} == {""}


@pytest.mark.parametrize("names", [["envios"], []], ids=["alone", "with all"])
def test_a_function_without_a_database_is_not_deployed_and_says_what_to_do(
    checkout: Checkout, cluster: Cluster, deployment_command: Deployment, names: list[str]
) -> None:
    checkout.add_service("envios")
    assert deployment_command("deploy", *names) == (2, f"{NO_DATABASE}\n")
    assert [*cluster.changes, *cluster.commands] == []
    assert deployment_command("deploy", "ordenes")[0] == 0


@pytest.mark.usefixtures("stack_runs")
def test_status_tells_what_waits_from_what_is_not_due_yet(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.backlog["ordenes-reintento"] = 7
    cluster.delayed["ordenes-reintento"] = 5
    code, told = deployment_command("status")
    assert code == 0
    (line,) = [line for line in told.splitlines() if "ordenes-reintento" in line]
    assert line.endswith(" 2 batches waiting, 5 not due yet")


def test_nobody_at_the_admin_address_is_one_line_that_names_it(
    deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ALPES_PORT_OFFSET", "11111")
    monkeypatch.setenv("ALPES_HOME", str(tmp_path))
    credentials.load_or_make(from_environment())
    code, told = deployment_command("deploy")
    assert code == 2
    assert "http://127.0.0.1:19191" in told
    assert len(told.strip().splitlines()) == 1


def test_without_an_admin_api_the_address_and_the_variable_are_told(
    deployment_command: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("PULSAR_SERVICE_URL", "ALPES_ORDENES_DSN", "ALPES_PAGOS_DSN", "ALPES_REPORTING_DSN")
    for name in names:
        monkeypatch.setenv(name, "pulsar://127.0.0.1:1")
    monkeypatch.setenv("PULSAR_ADMIN_URL", "http://127.0.0.1:1")
    code, told = deployment_command("deploy")
    assert code == 2
    assert told == (
        "No Pulsar admin API at http://127.0.0.1:1 (Connection refused). Start the local stack with ./deploy.sh up, or"
        " correct PULSAR_ADMIN_URL.\n"
    )
