"""Who is granted what: the functions by their configuration, others by `permissions.yaml`."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from connection.admin import Admin
from connection.errors import ForbiddenError, RefusedError
from deployment import function_configs, permissions, topology
from deployment.errors import DeploymentError
from deployment.permissions import Permissions
from schemas.tienda import topics

CONFIGS = list(function_configs.load().values())
BOTH = frozenset({"produce", "consume"})


@pytest.fixture(scope="module")
def granted() -> Permissions:
    return permissions.load(CONFIGS, topology.load())


def rights(granted: Permissions, role: str, action: str) -> set[str]:
    return {topic for topic, roles in granted.topics.items() if action in roles.get(role, ())}


def test_a_function_reads_its_inputs_and_writes_where_its_configuration_says(granted: Permissions) -> None:
    assert rights(granted, "pagos", "consume") == {"orden-creada", "reembolsar-transaccion", "pagos-reintento"}
    assert rights(granted, "pagos", "produce") == {
        "transaccion-creada",
        "pagos-reintento",
        "orden-creada-DLQ",
        "reembolsar-transaccion-DLQ",
        "pagos-reintento-DLQ",
    }
    assert {"orden-creada", "orden-actualizada", "reembolsar-transaccion"} <= rights(granted, "ordenes", "produce")
    assert rights(granted, "reporting", "produce") >= {"reporte-generado", "generar-reporte-DLQ"}


def test_no_function_writes_to_a_topic_that_another_one_writes_to(granted: Permissions) -> None:
    written = [rights(granted, config.name, "produce") for config in CONFIGS]
    assert sum(map(len, written)) == len(set().union(*written))


def test_a_function_s_subscription_is_its_own_and_the_operator_s(granted: Permissions) -> None:
    assert granted.subscriptions == {config.subscription: {config.name, "operator"} for config in CONFIGS}


def test_a_reader_writes_nothing_and_only_the_operator_writes_to_dead_letters(granted: Permissions) -> None:
    assert rights(granted, "reader", "produce") == set()
    for topic, roles in granted.topics.items():
        if topic.endswith("-DLQ"):
            assert {role for role, actions in roles.items() if "produce" in actions} <= {"operator", *topics.SERVICES}


def test_the_known_topics_are_those_that_a_deployment_makes() -> None:
    assert set(topics.ALL) == {topic.name for topic in topology.load().topics}


def test_a_topic_that_there_is_not_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "permissions.yaml"
    file.write_text("deployer: d\nroles:\n  reader: {consume: [orden-creadas]}\n")
    with pytest.raises(DeploymentError, match=r"^permissions\.yaml: reader may consume orden-creadas, which topics"):
        permissions.load(CONFIGS, topology.load(), file)


class Pulsar:
    """What of the admin API granting needs."""

    url = "https://pulsar"

    def __init__(self, error: Exception | None = None, *, superuser: bool = True) -> None:
        self.there: dict[str, Any] = {}
        self.error = error
        self.superuser = superuser
        self.calls: list[str] = []

    def find(self, path: str) -> Any:
        if "tenants" in path and not self.superuser:
            raise ForbiddenError("no")
        if path.endswith(("/permissions", "/subscription")):
            start = f"{path}/"
            return {name.removeprefix(start): value for name, value in self.there.items() if name.startswith(start)}
        return self.there.get(path)

    def get(self, path: str) -> Any:
        return ["standalone", "global"] if path.endswith("clusters") else self.there[path]

    def create(self, path: str, body: Any = None) -> bool:
        return self.there.setdefault(path, body) is body

    def post(self, path: str, body: Any = None) -> None:
        self.calls.append(f"{path} {json.dumps(body)}")
        if self.error:
            raise self.error
        self.there[path] = body

    def delete(self, path: str) -> bool:
        return self.there.pop(path, None) is not None


def grant(granted: Permissions, pulsar: Pulsar) -> list[str]:
    return permissions.grant(granted, cast("Admin", pulsar))


def test_a_second_run_grants_nothing(granted: Permissions) -> None:
    pulsar = Pulsar()
    assert len(grant(granted, pulsar)) == len(granted.roles)
    pulsar.calls.clear()
    assert (grant(granted, pulsar), pulsar.calls) == ([], [])


def test_what_is_too_much_is_taken_back_and_what_is_not_ours_stays(granted: Permissions) -> None:
    pulsar = Pulsar()
    grant(granted, pulsar)
    path = "/admin/v2/persistent/alpes/tienda/crear-orden/permissions"
    pulsar.there |= {f"{path}/reader": ["produce"], f"{path}/analytics": ["consume"]}
    assert grant(granted, pulsar) == ["reader: crear-orden"]
    assert f"{path}/reader" not in pulsar.there
    assert pulsar.there[f"{path}/analytics"] == ["consume"]


@pytest.mark.parametrize(
    ("code", "says"), [(501, "has no authorization, so there is nothing to grant"), (404, r"run \./deploy\.sh deploy")]
)
def test_a_pulsar_that_can_not_grant_is_told(granted: Permissions, code: int, says: str) -> None:
    with pytest.raises(DeploymentError, match=says):
        grant(granted, Pulsar(RefusedError("no", code, "no")))


def test_the_tenant_gets_its_administrator_once(granted: Permissions) -> None:
    pulsar = Pulsar()
    api = cast("Admin", pulsar)
    assert len(permissions.prepare(granted, api)) == 2
    assert pulsar.there["/admin/v2/tenants/alpes"] == {"adminRoles": ["deployer"], "allowedClusters": ["standalone"]}
    assert permissions.prepare(granted, api) == []
    pulsar.there["/admin/v2/tenants/alpes"]["adminRoles"] = ["somebody"]
    assert permissions.prepare(granted, api) == ["deployer made an administrator of tenant alpes"]
    assert pulsar.there["/admin/v2/tenants/alpes"]["adminRoles"] == ["somebody", "deployer"]


def test_the_tenants_administrator_may_grant_without_seeing_the_tenant(granted: Permissions) -> None:
    pulsar = Pulsar(superuser=False)
    assert permissions.prepare(granted, cast("Admin", pulsar)) == ["namespace alpes/tienda created"]
