"""Makes manifests of the functions for Kubernetes, from `function-configs/`. Pure.

Functions run by the operator Function Mesh (`compute.functionmesh.io/v1alpha1`) and are scaled by KEDA
(`keda.sh/v1alpha1`), or by the function worker of Pulsar's own Helm chart. docs/kubernetes.md says how to apply them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployment.function_configs import PulsarFunctionConfig
from schemas.tienda.topics import RETRY_SUFFIX

FUNCTION_MESH, KEDA = "compute.functionmesh.io/v1alpha1", "keda.sh/v1alpha1"
CHART = "pulsar"
"""The name of Pulsar's Helm chart."""
ADDRESSES = "alpes-pulsar"
"""The ConfigMap with Pulsar's addresses."""
CREDENTIALS = "alpes-pulsar-keda"
"""The TriggerAuthentication with which KEDA asks Pulsar."""
ZIPS = "/pulsar/functions"
"""Where the runner image has the zips: docker/runner.Dockerfile."""
USER = 10001
"""The image's user."""
GRACE_S = 30
"""A pod may take so long to end. An instance drains for 5 s, and closes what it has open."""
STATE_SWITCHES = ("state_per_order", "totals_per_status")
"""Keys of userConfig that say that a function keeps something in the state store."""
SECRETS = (("dsn_env", "dsn"), ("gateway_token_env", "token"))
"""Keys of userConfig that name a variable with a secret, and the key in the function's Secret."""
CPU_PERCENT, MEMORY_PERCENT = 70, 85
OUT_S, IN_S = 15, 120
"""As `alpes autoscale` has them: a need for more lasts, and a need for fewer."""
LEAST_ENTRIES = 100
"""Entries that may wait for each instance in one input. KEDA can't see how many messages an entry has: at least one."""
WORKER_PORT, BROKER_PORT, ADMIN_PORT, STATE_PORT = 6750, 6650, 8080, 4181
SECRETS_PROVIDER = "org.apache.pulsar.functions.secretsproviderconfigurator.KubernetesSecretsProviderConfigurator"


@dataclass(frozen=True)
class Cluster:
    """Where the functions are to run.

    Attributes
    ----------
    image : str
        The runner image, with its tag.
    release : str
        The Helm release of Pulsar's chart.
    service_url, admin_url, state_url : str
        Pulsar's addresses, if they aren't those of the release.
    auth_secret : str
        The Secret with `clientAuthenticationPlugin`, `clientAuthenticationParameters` and, for KEDA, `token`; empty
        where Pulsar wants none.
    tls_secret : str
        The Secret with what Function Mesh needs for TLS; empty without TLS.
    """

    image: str
    release: str = "pulsar"
    service_url: str = ""
    admin_url: str = ""
    state_url: str = ""
    auth_secret: str = ""
    tls_secret: str = ""

    @property
    def full_name(self) -> str:
        """What the names of the chart's services begin with, and its cluster's name: the chart's `pulsar.fullname`."""
        return self.release if CHART in self.release else f"{self.release}-{CHART}"

    @property
    def addresses(self) -> dict[str, str]:
        """Pulsar's addresses, as Function Mesh names them."""
        return {
            "webServiceURL": self.admin_url or f"http://{self.full_name}-broker:{ADMIN_PORT}",
            "brokerServiceURL": self.service_url or f"pulsar://{self.full_name}-broker:{BROKER_PORT}",
        }

    @property
    def state(self) -> str:
        """The state store's address: a service's name stands for all bookies."""
        return self.state_url or f"bk://{self.full_name}-bookie:{STATE_PORT}"


def manifests(configs: Sequence[PulsarFunctionConfig], cluster: Cluster) -> list[dict[str, Any]]:
    """Return everything that `kubectl apply` takes: addresses, functions, and what scales them."""
    found: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ADDRESSES}, "data": cluster.addresses}
    ]
    if cluster.auth_secret:
        reference = {"parameter": "bearerToken", "name": cluster.auth_secret, "key": "token"}
        found.append(_object(KEDA, "TriggerAuthentication", CREDENTIALS, {"secretTargetRef": [reference]}))
    for config in configs:
        found.append(function(config, cluster))
        if config.bounds:
            found.append(scaled(config, cluster))
    return found


def function(config: PulsarFunctionConfig, cluster: Cluster) -> dict[str, Any]:
    """Return a function for Function Mesh.

    It has no `maxReplicas`: with one, Function Mesh would make an autoscaler of its own beside KEDA's. What KEDA scales
    has no `replicas` either, so that applying it again doesn't take back what KEDA has set; Function Mesh begins with
    `minReplicas`.
    """
    values = config.values
    spec: dict[str, Any] = {
        "name": config.name,
        "tenant": config.tenant,
        "namespace": config.namespace.split("/")[1],
        "clusterName": cluster.full_name,
        "image": cluster.image,
        "className": config.class_name,
        **({"minReplicas": config.bounds.least} if config.bounds else {"replicas": config.parallelism}),
        "processingGuarantee": str(values["processingGuarantees"]).lower(),
        "autoAck": values["autoAck"],
        "forwardSourceMessageProperty": False,
        "subscriptionName": config.subscription,
        "subscriptionPosition": str(values["subscriptionPosition"]).lower(),
        "cleanupSubscription": values["cleanupSubscription"],
        "input": {
            "customSerdeSources": {topic: each["serdeClassName"] for topic, each in values["inputSpecs"].items()}
        },
        "output": {"topic": values["output"]},
        "funcConfig": config.user_config,
        "secretsMap": secrets(config),
        "resources": resources(config),
        "python": {"py": f"{ZIPS}/alpes-{config.service}.zip"},
        "pulsar": _pulsar(cluster),
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - the pod's own
        "pod": {
            "terminationGracePeriodSeconds": GRACE_S,
            # It outlives a container that ends, and so the record of an instance's deaths does.
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "securityContext": {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER},
        },
    }
    if any(config.user_config.get(switch) for switch in STATE_SWITCHES):
        spec["statefulConfig"] = {"pulsar": {"serviceUrl": cluster.state}}
    return _object(FUNCTION_MESH, "Function", config.name, spec)


def scaled(config: PulsarFunctionConfig, cluster: Cluster) -> dict[str, Any]:
    """Return what makes KEDA scale a function within its bounds.

    Raises
    ------
    ValueError
        The function has no bounds.
    """
    if config.bounds is None:
        raise ValueError(f"{config.name} has no bounds")
    behaviour = {
        "scaleUp": {"stabilizationWindowSeconds": OUT_S},
        "scaleDown": {"stabilizationWindowSeconds": IN_S},
    }
    spec = {
        "scaleTargetRef": {"apiVersion": FUNCTION_MESH, "kind": "Function", "name": config.name},
        "minReplicaCount": config.bounds.least,
        "maxReplicaCount": config.bounds.most,
        "pollingInterval": 5,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": behaviour}},
        "triggers": [*_triggers(config, cluster)],
    }
    return _object(KEDA, "ScaledObject", config.name, spec)


def _triggers(config: PulsarFunctionConfig, cluster: Cluster) -> Iterator[dict[str, Any]]:
    for topic in config.inputs:
        # KEDA counts delayed messages, and the retry topic has timers.
        if topic.endswith(RETRY_SUFFIX):
            continue
        metadata = {
            "adminURL": cluster.addresses["webServiceURL"],
            "topic": topic,
            "isPartitionedTopic": "true",
            "subscription": config.subscription,
            "msgBacklogThreshold": str(LEAST_ENTRIES),
        }
        trigger: dict[str, Any] = {"type": "pulsar", "metadata": metadata}
        if cluster.auth_secret:
            metadata["authModes"] = "bearer"
            trigger["authenticationRef"] = {"name": CREDENTIALS}
        yield trigger
    for what, percent in (("cpu", CPU_PERCENT), ("memory", MEMORY_PERCENT)):
        yield {"type": what, "metricType": "Utilization", "metadata": {"value": str(percent)}}


def secrets(config: PulsarFunctionConfig) -> dict[str, dict[str, str]]:
    """Return the variables that a function takes from its Secret, ``alpes-<function>``."""
    named = ((config.user_config.get(key), name) for key, name in SECRETS)
    return {str(variable): {"path": f"alpes-{config.name}", "key": name} for variable, name in named if variable}


def resources(config: PulsarFunctionConfig) -> dict[str, dict[str, str]]:
    """Return what a pod gets and may use, as Kubernetes writes it."""
    given = {"cpu": f"{config.cores:g}"}
    if config.ram_bytes:
        given["memory"] = f"{config.ram_bytes // 2**20}Mi"
    return {"requests": given, "limits": given}


def _pulsar(cluster: Cluster) -> dict[str, str]:
    named = {"pulsarConfig": ADDRESSES, "authSecret": cluster.auth_secret, "tlsSecret": cluster.tls_secret}
    return {key: value for key, value in named.items() if value}


def _object(version: str, kind: str, name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


def worker_config(config: PulsarFunctionConfig) -> dict[str, Any]:
    """Return a function's configuration for a function worker that runs instances as pods: with its secrets.

    With bounds, it has no `parallelism`: Pulsar creates one instance then, and an update keeps how many there are.
    """
    return {**(config.without_parallelism if config.bounds else config).pulsar_values, "secrets": secrets(config)}


def chart_values(
    worker_image: str, cluster: Cluster, server_settings: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """Return values for Pulsar's Helm chart: its own function worker, apart from the brokers, and a state store.

    Parameters
    ----------
    worker_image
        The image for the worker and for the pods of functions, with Pulsar and Java in it.
    cluster
        Where the functions are to run.
    server_settings
        What Pulsar's servers should have, by their configuration file: `deployment/broker.yaml`.
    """
    repository, _, tag = worker_image.rpartition(":")
    image = {"repository": repository, "tag": tag}
    return {
        "components": {"functions": False, "function_worker": True},
        "images": {"functions": image, "function_worker": image},
        "functions": {"useBookieAsStateStore": True},
        "broker": {"configData": {**server_settings["broker.conf"]}},
        "bookkeeper": {"configData": {**server_settings["bookkeeper.conf"]}},
        "function_worker": {
            # The chart would wait with nslookup, which our image lacks. A worker that finds no broker starts again.
            "waitBrokerTimeout": 0,
            "configData": {
                "PF_stateStorageServiceUrl": cluster.state,
                "PF_secretsProviderConfiguratorClassName": SECRETS_PROVIDER,
            },
        },
    }
