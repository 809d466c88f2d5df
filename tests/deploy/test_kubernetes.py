"""The manifests for Kubernetes: valid by the schemas of those who read them, and all from function-configs/."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from alpes_runtime.runner import DRAIN_S
from autoscale import needs, policy
from deployment import cli, function_configs, kubernetes
from deployment.kubernetes import Cluster
from tests.deploy.conftest import ROOT

CONFIGS = list(function_configs.load().values())
NAMES = [config.name for config in CONFIGS]
CRDS = {
    (f"{each['group']}/{each['version']}", each["kind"]): each["schema"]
    for each in (json.loads(path.read_text()) for path in Path(__file__).with_name("crds").glob("*.json"))
}
PLAIN = Cluster("alpes-runner:1")
SECURE = Cluster("registry.example/alpes-runner:1", auth_secret="pulsar-auth", tls_secret="pulsar-tls")


def strict(schema: Any) -> Any:
    """Return a schema that refuses what it doesn't know, as `kubectl apply` does: Kubernetes itself drops it."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(value) for key, value in schema.items()}
    if "properties" in found and not found.get("x-kubernetes-preserve-unknown-fields"):
        found["additionalProperties"] = False
    return found


def of_kind(kind: str, cluster: Cluster = PLAIN) -> dict[str, Any]:
    found = (each for each in kubernetes.manifests(CONFIGS, cluster) if each["kind"] == kind)
    return {each["metadata"]["name"]: each["spec"] for each in found}


@pytest.mark.parametrize("cluster", [PLAIN, SECURE], ids=["plain", "secure"])
def test_every_manifest_is_valid_by_its_own_schema(cluster: Cluster) -> None:
    validated = set()
    for each in kubernetes.manifests(CONFIGS, cluster):
        key = each["apiVersion"], each["kind"]
        if key == ("v1", "ConfigMap"):
            assert all(isinstance(value, str) for value in each["data"].values())
            continue
        jsonschema.validate(each, strict(CRDS[key]))
        validated.add(key)
    assert validated == set(CRDS) - (set() if cluster.auth_secret else {("keda.sh/v1alpha1", "TriggerAuthentication")})


def test_a_field_that_function_mesh_does_not_know_would_be_noticed() -> None:
    wrong = kubernetes.function(CONFIGS[0], PLAIN)
    wrong["spec"]["parallelism"] = 2
    with pytest.raises(jsonschema.ValidationError, match="parallelism"):
        jsonschema.validate(wrong, strict(CRDS[wrong["apiVersion"], "Function"]))


@pytest.mark.parametrize("config", CONFIGS, ids=NAMES)
def test_a_function_runs_as_its_configuration_says(config: function_configs.PulsarFunctionConfig) -> None:
    spec = of_kind("Function")[config.name]
    assert spec["funcConfig"] == config.user_config
    serdes = {topic: each["serdeClassName"] for topic, each in config.values["inputSpecs"].items()}
    assert spec["input"]["customSerdeSources"] == serdes
    assert (spec["subscriptionName"], spec["subscriptionPosition"]) == (config.subscription, "earliest")
    assert (spec["processingGuarantee"], spec["autoAck"], spec["cleanupSubscription"]) == ("manual", False, False)
    assert spec["output"]["topic"] == config.values["output"]
    assert spec["resources"]["limits"]["memory"] == f"{config.values['resources']['ram'] // 2**20}Mi"
    assert spec["pod"]["terminationGracePeriodSeconds"] > DRAIN_S + 10


def test_dsns_come_from_secrets_and_no_manifest_has_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    for config in CONFIGS:
        monkeypatch.setenv(config.dsn_variable, "postgresql://canary:canary@db/x")
        secret = {"path": f"alpes-{config.name}", "key": "dsn"}
        assert of_kind("Function")[config.name]["secretsMap"] == {config.dsn_variable: secret}
        assert kubernetes.worker_config(config)["secrets"] == {config.dsn_variable: secret}
    assert "canary" not in json.dumps(kubernetes.manifests(CONFIGS, SECURE))


@pytest.mark.parametrize(
    ("release", "begin"),
    [("pulsar", "pulsar"), ("my-pulsar-1", "my-pulsar-1"), ("prod", "prod-pulsar")],
)
def test_addresses_are_the_services_that_the_chart_makes_of_a_release(release: str, begin: str) -> None:
    cluster = Cluster("alpes-runner:1", release)
    assert cluster.addresses == {
        "webServiceURL": f"http://{begin}-broker:8080",
        "brokerServiceURL": f"pulsar://{begin}-broker:6650",
    }
    assert cluster.state == f"bk://{begin}-bookie:4181"
    assert of_kind("Function", cluster)["pagos"]["clusterName"] == begin


def test_a_function_without_state_does_not_wait_for_the_state_store() -> None:
    stateful = {name: "statefulConfig" in spec for name, spec in of_kind("Function").items()}
    assert stateful == {"ordenes": True, "pagos": False, "reporting": True}


def test_keda_scales_within_the_bounds_and_leaves_the_topics_of_timers_out() -> None:
    for config in CONFIGS:
        spec = of_kind("ScaledObject")[config.name]
        assert config.bounds is not None
        assert (spec["minReplicaCount"], spec["maxReplicaCount"]) == (config.bounds.least, config.bounds.most)
        topics = [each["metadata"]["topic"] for each in spec["triggers"] if each["type"] == "pulsar"]
        assert topics == [topic for topic in config.inputs if not topic.endswith("-reintento")]
        assert "replicas" not in of_kind("Function")[config.name]


def test_an_update_on_pulsars_own_worker_keeps_the_instances_that_autoscale_has_set() -> None:
    bounded = CONFIGS[0]
    fixed = dataclasses.replace(bounded, values={**bounded.pulsar_values, "parallelism": 3})
    assert "parallelism" not in kubernetes.worker_config(bounded)
    assert kubernetes.worker_config(fixed)["parallelism"] == 3


def test_keda_and_alpes_autoscale_have_the_same_measures() -> None:
    assert kubernetes.CPU_PERCENT == 100 * needs.CPU_TARGET
    assert kubernetes.MEMORY_PERCENT == 100 * needs.MEMORY_MOST
    assert (kubernetes.OUT_S, kubernetes.IN_S) == (policy.OUT_S, policy.IN_S)


def test_with_authentication_keda_takes_its_token_from_the_secret() -> None:
    (trigger, *_) = of_kind("ScaledObject", SECURE)["pagos"]["triggers"]
    assert trigger["metadata"]["authModes"] == "bearer"
    (reference,) = of_kind("TriggerAuthentication", SECURE)[trigger["authenticationRef"]["name"]]["secretTargetRef"]
    assert reference == {"parameter": "bearerToken", "name": "pulsar-auth", "key": "token"}


def test_the_command_writes_manifests_values_and_configurations(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["manifests", str(tmp_path), "--image", "registry.example/alpes-runner:7"]) == 0
    written = list(yaml.safe_load_all((tmp_path / "functions.yaml").read_text()))
    assert written == kubernetes.manifests(CONFIGS, Cluster("registry.example/alpes-runner:7"))
    values = yaml.safe_load((tmp_path / "pulsar-values.yaml").read_text())
    ours = yaml.safe_load((ROOT / "deployment" / "broker.yaml").read_text())
    assert values["broker"]["configData"] == ours["broker.conf"]
    assert values["images"]["functions"] == {"repository": "alpes-worker", "tag": "latest"}
    # The image has no nslookup, with which the chart would wait.
    assert values["function_worker"]["waitBrokerTimeout"] == 0
    assert {path.name for path in (tmp_path / "worker").iterdir()} == {config.path.name for config in CONFIGS}
    assert "functions.yaml" in capsys.readouterr().out


def test_an_image_without_a_tag_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["manifests", str(tmp_path), "--image", "registry.example:5000/alpes-runner"]) == 2
    assert "needs a tag" in capsys.readouterr().err
