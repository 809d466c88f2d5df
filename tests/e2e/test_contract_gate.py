"""What the gate finds on a real Pulsar: registered schemas, recorded contracts, somebody else's schema, settings."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from connection.admin import Admin
from deployment import gate, namespace, topology
from deployment.errors import ContractError
from deployment.topology import Topic, Topology
from schemas.tienda.topics import NAMESPACE
from tests import checkouts
from tests.descriptors import STRING, added, changed, of_type
from tests.e2e.tienda import FUNCTIONS, Tienda

MESSAGES = "schemas.tienda.v1.ordenes_pb2"
EVENT = Topic("prueba-evento", f"{MESSAGES}.OrdenCreada", registered=True)
COMMAND = Topic("prueba-orden", f"{MESSAGES}.CrearOrden")
NAMESPACE_PATH = f"/admin/v2/namespaces/{NAMESPACE}"


@pytest.fixture
def api(stack: Tienda) -> Admin:
    return Admin(stack.admin_url)


@pytest.fixture
def topics(stack: Tienda, api: Admin) -> Iterator[Topology]:
    """Make a topic of each kind as a deployment does, beside the others."""
    found = topology.load()
    own = Topology(found.partitions, found.retention_minutes, found.retention_megabytes, (EVENT, COMMAND))
    todo = gate.check(own, api)
    namespace.carry_out(namespace.decide(own, namespace.read(own, api)), api)
    gate.apply(todo, api, stack.service_url)
    yield own
    for topic in own.topics:
        api.delete(f"/admin/v2/schemas/{NAMESPACE}/{topic.name}/schema?force=true")
        api.delete(f"/admin/v2/persistent/{NAMESPACE}/{topic.name}/partitions?force=true")


@pytest.mark.core
def test_a_break_is_refused_and_once_allowed_it_is_the_measure_and_noted(
    stack: Tienda, api: Admin, topics: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert gate.check(topics, api) == gate.Todo(), "what is deployed is current"
    plain = Topic.message_class
    monkeypatch.setattr(Topic, "message_class", lambda topic: changed(plain(topic), of_type("client_id", STRING)))
    with pytest.raises(ContractError) as refused:
        gate.check(topics, api)
    for topic in topics.topics:
        assert f'  {topic.name}: Field "2" with name "client_id"' in str(refused.value)

    todo = gate.check(topics, api, gate.Permission("a trial", lambda question: None))
    gate.apply(todo, api, stack.service_url)
    assert gate.check(topics, api) == gate.Todo()
    for topic in topics.topics:
        noted = api.get(f"/admin/v2/persistent/{NAMESPACE}/{topic.name}/properties")
        assert any("a trial" in value for name, value in noted.items() if name.startswith("contract.allowed."))


def test_a_newer_version_is_registered_and_the_older_one_is_taken_again(
    stack: Tienda, api: Admin, topics: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        plain = Topic.message_class
        newer.setattr(Topic, "message_class", lambda topic: changed(plain(topic), added("nota", 40)))
        todo = gate.check(topics, api)
        assert todo.register == [EVENT]
        gate.apply(todo, api, stack.service_url)
    assert gate.check(topics, api) == gate.Todo()


def test_somebody_elses_schema_and_settings_that_forbid_ours_are_named(api: Admin, topics: Topology) -> None:
    foreign = {"type": "STRING", "schema": "", "properties": {}}
    api.post(f"/admin/v2/schemas/{NAMESPACE}/{COMMAND.name}/schema", foreign)
    api.delete(f"/admin/v2/schemas/{NAMESPACE}/{EVENT.name}/schema?force=true")
    try:
        api.post(f"{NAMESPACE_PATH}/isAllowAutoUpdateSchema", False)
        with pytest.raises(ContractError) as refused:
            gate.check(topics, api)
    finally:
        api.post(f"{NAMESPACE_PATH}/isAllowAutoUpdateSchema", True)
    told = str(refused.value)
    assert f"{COMMAND.name} has somebody else's schema: STRING" in told
    assert f"isAllowAutoUpdateSchema is false: the new schema of {EVENT.name}" in told


def test_a_checkout_with_a_broken_contract_is_refused_and_everything_runs_on(stack: Tienda, tmp_path: Path) -> None:
    checkout = checkouts.copy(tmp_path / "checkout")
    proto = checkout / "schemas" / "tienda" / "v1" / "ordenes.proto"
    proto.write_text(proto.read_text().replace("int32 client_id = 2;", "string client_id = 2;"))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["buf", "generate"], cwd=checkout / "schemas", env=os.environ | {"PATH": path}, check=True)
    before = [process.pid for function in FUNCTIONS for process in stack.processes(function)]

    environment = {**os.environ, **stack.environment, "ALPES_VENV": sys.prefix}
    done = subprocess.run(
        [checkout / "deploy.sh", "deploy"], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    for topic in ("crear-orden", "orden-creada", "orden-actualizada"):
        assert f'  {topic}: Field "2" with name "client_id"' in done.stderr
    assert [process.pid for function in FUNCTIONS for process in stack.processes(function)] == before
