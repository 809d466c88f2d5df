"""A deployment that would break what a topic holds or what others read is refused, before anything is changed.

`docs/decisions/0027-contracts-are-checked-on-the-target.md` has the first table below in prose.
"""

import ast
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connection.admin import Admin
from deployment import buf, contracts, gate, topology
from deployment.contracts import Contract
from deployment.errors import ContractError
from deployment.topology import Topic
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada
from tests.deploy.cluster_stub import Cluster
from tests.deploy.conftest import Deployment
from tests.descriptors import (
    INT64,
    STRING,
    Change,
    added,
    all_of,
    changed,
    into_oneof,
    made,
    nothing,
    of_type,
    optional,
    removed,
    renamed,
    repeated,
    with_enum,
)

RELEASE = Path(__file__).parents[1] / "releases" / "0.1.0" / "alpes-ordenes.zip"
EVENT, COMMAND = f"{NAMESPACE}/orden-creada", f"{NAMESPACE}/crear-orden"
PASSES = ""

Version = Callable[..., None]


@pytest.fixture
def version(monkeypatch: pytest.MonkeyPatch) -> Version:
    """Return a function that makes this checkout one whose messages are changed, of the topics that are named."""
    real = Topic.message_class

    def use(**changes: Change) -> None:
        def message_class(topic: Topic) -> type[Message]:
            name = topic.name.replace("-", "_")
            return changed(real(topic), changes[name]) if name in changes else real(topic)

        monkeypatch.setattr(Topic, "message_class", message_class)

    return use


CHANGES = [
    pytest.param(nothing, of_type("client_id", STRING), "client_id", "FIELD_SAME_TYPE", id="another type"),
    pytest.param(nothing, of_type("client_id", INT64), "client_id", "FIELD_SAME_TYPE", id="a wider type"),
    pytest.param(
        nothing, all_of(removed("service"), added("nota", 6)), "service", "FIELD_SAME_NAME", id="a number used again"
    ),
    pytest.param(nothing, removed("service"), "service", "FIELD_NO_DELETE", id="removed"),
    pytest.param(
        nothing, removed("service", reserved=True), "service", "FIELD_NO_DELETE", id="removed, its number reserved"
    ),
    pytest.param(nothing, renamed("address", "domicilio"), "domicilio", "FIELD_SAME_NAME", id="renamed"),
    pytest.param(nothing, repeated("address"), "address", "FIELD_SAME_CARDINALITY", id="made a list"),
    pytest.param(nothing, optional("address"), "address", "FIELD_SAME_CARDINALITY", id="made optional"),
    pytest.param(nothing, into_oneof("address"), "address", "FIELD_SAME_ONEOF", id="moved into a oneof"),
    pytest.param(
        with_enum(40, "WEB", "APP"),
        with_enum(40, "WEB", "MOVIL"),
        "APP",
        "ENUM_VALUE_SAME_NAME",
        id="enum value renamed",
    ),
    pytest.param(
        with_enum(40, "WEB", "APP"), with_enum(40, "WEB"), "1", "ENUM_VALUE_NO_DELETE", id="enum value removed"
    ),
    pytest.param(nothing, added("nota", 40), "", PASSES, id="a new field"),
    pytest.param(with_enum(40, "WEB"), with_enum(40, "WEB", "APP"), "", PASSES, id="a new enum value"),
]


@pytest.mark.parametrize(("before", "after", "field", "rule"), CHANGES)
def test_each_kind_of_change_passes_or_is_named(
    cluster: Cluster, version: Version, before: Change, after: Change, field: str, rule: str
) -> None:
    cluster.register(EVENT, "PROTOBUF_NATIVE", contracts.schema(changed(OrdenCreada, before)))
    record(cluster, "crear-orden", changed(CrearOrden, before))
    version(orden_creada=after, crear_orden=after)
    if rule == PASSES:
        gate.check(topology.load(), Admin(cluster.url))
        return
    with pytest.raises(ContractError) as refused:
        gate.check(topology.load(), Admin(cluster.url))
    first, *lines, advice = str(refused.value).splitlines()
    assert first.startswith("Nothing was done")
    for topic in ("orden-creada", "crear-orden"):
        named = [line for line in lines if line.startswith(f"  {topic}: ")]
        assert any(f'"{field}"' in line and line.endswith(f" ({rule})") for line in named), lines
    assert "--allow-breaking" in advice
    assert cluster.changes == []


def record(cluster: Cluster, topic: str, kind: type[Message]) -> None:
    """Have the cluster as an earlier deployment left it."""
    cluster.topics[f"{NAMESPACE}/{topic}"] = 1
    cluster.properties[f"{NAMESPACE}/{topic}"] = {"contract.1": Contract.of(kind).text()}


def test_a_refused_deployment_changes_nothing(
    cluster: Cluster, deployment_command: Deployment, version: Version
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    version(orden_creada=of_type("client_id", STRING), crear_orden=added("nota", 40))
    code, told = deployment_command("deploy")
    assert (code, "(FIELD_SAME_TYPE)" in told) == (1, True)
    assert [*cluster.changes, *cluster.commands] == []


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.integers(20, 900), min_size=1, max_size=5), st.data())
def test_new_fields_never_break_and_taking_any_of_them_back_always_does(numbers: set[int], data: st.DataObject) -> None:
    plain = Contract.of(OrdenCreada)
    fields = {number: added(f"nuevo_{number}", number) for number in numbers}
    more = Contract.of(changed(OrdenCreada, all_of(*fields.values())))
    assert buf.breaks(more.files, plain.files) == []
    gone = data.draw(st.sampled_from(sorted(numbers)))
    fewer = changed(OrdenCreada, all_of(*(change for number, change in fields.items() if number != gone)))
    (line,) = buf.breaks(Contract.of(fewer).files, more.files)
    assert f'"nuevo_{gone}"' in line


def test_a_change_of_another_message_in_the_same_file_concerns_no_other_topic(
    cluster: Cluster, deployment_command: Deployment, version: Version
) -> None:
    deployment_command("deploy")
    version(crear_orden=removed("service"))
    code, told = deployment_command("deploy")
    assert code == 1
    (line,) = [line for line in told.splitlines() if line.startswith("  ")]
    assert line.startswith('  crear-orden: Previously present field "6" with name "service" on message "CrearOrden"')


def test_a_contract_is_what_its_message_needs_and_nothing_else() -> None:
    file = FileDescriptorProto(name="all.proto", package="p", syntax="proto3")
    for name, uses in {"Root": ".p.Used.Inner", "Used": ".p.Deep", "Deep": "", "Other": ".p.Root"}.items():
        message = file.message_type.add(name=name)
        message.field.add(name="a", number=1, label=1, type=11 if uses else STRING, type_name=uses or None)
    file.message_type[1].nested_type.add(name="Inner").field.add(
        name="b", number=1, label=1, type=14, type_name=".p.Kind"
    )
    for enum in ("Kind", "Unused"):
        file.enum_type.add(name=enum).value.add(name=f"{enum}_ZERO", number=0)
    (kept,) = FileDescriptorSet.FromString(Contract.of(made(file, "p.Root")).files).file
    assert [each.name for each in kept.message_type] == ["Root", "Used", "Deep"]
    assert [each.name for each in kept.enum_type] == ["Kind"]


def classes_of_the_release() -> dict[str, type[Message]]:
    """Return the message classes of the last release, by full name, from the zip that it deployed."""
    pool = DescriptorPool()
    with zipfile.ZipFile(RELEASE) as archive:
        for path in archive.namelist():
            if path.endswith("_pb2.py") and "schemas/" in path:
                (descriptor,) = re.findall(r"AddSerializedFile\((b'.*')\)", archive.read(path).decode())
                pool.AddSerializedFile(ast.literal_eval(descriptor))
    return {
        f"tienda.v1.{name}": GetMessageClass(message)
        for file in ("ordenes", "pagos", "reporting")
        for name, message in pool.FindFileByName(f"tienda/v1/{file}.proto").message_types_by_name.items()
    }


def test_the_schemas_of_the_release_are_no_false_alarm(cluster: Cluster, deployment_command: Deployment) -> None:
    released = classes_of_the_release()
    for topic in topology.load().topics:
        if topic.message:
            kind = released[topic.message_class().DESCRIPTOR.full_name]
            if topic.registered:
                cluster.register(f"{NAMESPACE}/{topic.name}", "PROTOBUF_NATIVE", contracts.schema(kind))
            else:
                record(cluster, topic.name, kind)
    code, told = deployment_command("deploy")
    assert code == 0, told


def test_a_topic_has_its_contracts_in_its_properties(
    cluster: Cluster, deployment_command: Deployment, version: Version
) -> None:
    deployment_command("deploy")
    version(crear_orden=added("nota", 40))
    code, told = deployment_command("deploy")
    assert (code, "contracts recorded: crear-orden" in told) == (0, True)
    recorded = cluster.properties[COMMAND]
    assert list(recorded) == ["contract.1", "contract.2"]
    assert [Contract.parse(each).root for each in recorded.values()] == ["tienda.v1.CrearOrden"] * 2
    assert Contract.parse(recorded["contract.1"]) == Contract.of(CrearOrden)
    assert list(cluster.properties[EVENT]) == ["contract.1"], "a deleted schema takes its versions along"


def test_a_break_is_found_where_the_schema_was_deleted(
    cluster: Cluster, deployment_command: Deployment, version: Version
) -> None:
    deployment_command("deploy")
    del cluster.schemas[EVENT]
    cluster.forget_changes()
    version(orden_creada=of_type("client_id", STRING))
    code, told = deployment_command("deploy")
    assert (code, '"client_id"' in told) == (1, True)
    assert cluster.changes == []


@pytest.mark.parametrize("topic", ["orden_creada", "crear_orden"], ids=["registered", "recorded"])
def test_going_back_to_an_earlier_version_passes_says_so_and_keeps_the_newer_as_the_measure(
    cluster: Cluster, deployment_command: Deployment, version: Version, topic: str
) -> None:
    deployment_command("deploy")
    version(**{topic: added("nota", 40)})
    assert deployment_command("deploy")[0] == 0
    held = [len(cluster.schemas[EVENT]), len(cluster.properties[COMMAND])]
    cluster.forget_changes()

    version()
    for _ in range(2):
        code, told = deployment_command("deploy")
        assert code == 0, told
        assert f"  {topic.replace('_', '-')}: back to an earlier contract; readers ignore the newer fields" in told
    assert cluster.changes == []
    assert [len(cluster.schemas[EVENT]), len(cluster.properties[COMMAND])] == held

    version(**{topic: added("otra", 40)})
    code, told = deployment_command("deploy")
    assert (code, '"nota"' in told) == (1, True)
    version(**{topic: added("nota", 40)})
    assert deployment_command("deploy")[0] == 0


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_breaking_is_allowed_with_a_reason_asked_for_and_recorded_with_who_and_what(
    cluster: Cluster, deployment_command: Deployment, version: Version, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    version(orden_creada=of_type("client_id", STRING))
    answer(monkeypatch, "n\n")
    code, told = deployment_command("deploy", "--allow-breaking", "nobody reads it")
    assert (code, '"client_id"' in told) == (1, True)
    assert told.strip().endswith("Nothing was done.")
    assert cluster.changes == []

    answer(monkeypatch, "y\n")
    code, told = deployment_command("deploy", "--allow-breaking", "nobody reads it")
    assert code == 0, told
    *contracts_held, name = cluster.properties[EVENT]
    value = cluster.properties[EVENT][name]
    assert contracts_held == ["contract.1", "contract.2"]
    assert name.startswith("contract.allowed.20")
    assert "@" in value
    assert "nobody reads it" in value
    assert '"client_id"' in value
    assert Contract.parse(cluster.schemas[EVENT][-1]["data"]) != Contract.of(OrdenCreada)

    cluster.forget_changes()
    assert deployment_command("deploy")[0] == 0
    assert cluster.changes == []


def test_with_yes_nothing_is_asked(cluster: Cluster, deployment_command: Deployment, version: Version) -> None:
    deployment_command("deploy")
    version(crear_orden=removed("service"))
    code, told = deployment_command("deploy", "--allow-breaking", "it was never read", "--yes")
    assert code == 0, told
    assert list(cluster.properties[COMMAND])[:2] == ["contract.1", "contract.2"]
    assert deployment_command("deploy")[0] == 0


def test_leave_without_a_reason_is_wrong_usage(cluster: Cluster, deployment_command: Deployment) -> None:
    code, told = deployment_command("deploy", "--allow-breaking", " ")
    assert (code, len(told.splitlines())) == (2, 1)
    assert cluster.changes == []


STRANGERS = [
    pytest.param("orden-creada", "AVRO", '{"type": "record"}', "AVRO", id="another type on an event"),
    pytest.param("orden-creada", "PROTOBUF_NATIVE", contracts.schema(OrdenActualizada), "OrdenActualizada", id="root"),
    pytest.param("orden-creada", "PROTOBUF_NATIVE", "{}", "something that can't be read", id="no descriptor"),
    pytest.param("crear-orden", "STRING", "", "STRING", id="on a command"),
    pytest.param("crear-orden-DLQ", "STRING", "", "STRING", id="on dead letters"),
]


@pytest.mark.parametrize(("topic", "kind", "data", "named"), STRANGERS)
def test_somebody_elses_schema_is_named_with_the_command_that_removes_it(
    cluster: Cluster, deployment_command: Deployment, topic: str, kind: str, data: str, named: str
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    cluster.register(f"{NAMESPACE}/{topic}", kind, data)
    code, told = deployment_command("deploy", "--allow-breaking", "whatever", "--yes")
    assert code == 1
    (line,) = [line for line in told.splitlines() if line.startswith(f"  {topic} has somebody else's schema: ")]
    assert named in line
    assert line.endswith(f"pulsar-admin schemas delete persistent://{NAMESPACE}/{topic}")
    assert cluster.changes == []


def test_our_own_message_registered_by_who_sends_it_is_nothing_strange(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    cluster.register(COMMAND, "PROTOBUF_NATIVE", contracts.schema(CrearOrden))
    assert deployment_command("deploy")[0] == 0


SETTINGS = [
    pytest.param("isAllowAutoUpdateSchema", False, "set-is-allow-auto-update-schema --enable", id="no new schemas"),
    pytest.param(
        "schemaCompatibilityStrategy",
        "ALWAYS_INCOMPATIBLE",
        "set-schema-compatibility-strategy --compatibility FULL",
        id="no changes",
    ),
]


@pytest.mark.parametrize(("setting", "value", "command"), SETTINGS)
def test_a_setting_of_the_namespace_that_forbids_the_change_is_named_with_the_command_that_mends_it(
    cluster: Cluster, deployment_command: Deployment, version: Version, setting: str, value: object, command: str
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    cluster.policies[NAMESPACE, setting] = value
    version(orden_creada=added("nota", 40))
    code, told = deployment_command("deploy")
    assert code == 1
    (line,) = [line for line in told.splitlines() if f"{setting} " in line]
    assert f"pulsar-admin namespaces {command} " in line
    assert cluster.changes == []


def test_a_broker_that_enforces_schemas_is_named_with_its_setting(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.forget_changes()
    cluster.enforced["schemaValidationEnforced"] = True
    assert deployment_command("deploy")[0] == 0, "what the namespace says goes before it"
    del cluster.policies[NAMESPACE, "schemaValidationEnforced"]
    code, told = deployment_command("deploy")
    assert code == 1
    assert "isSchemaValidationEnforced=false" in told
    assert cluster.changes == []


def test_a_setting_that_forbids_new_schemas_hinders_no_deployment_without_one(
    cluster: Cluster, deployment_command: Deployment
) -> None:
    deployment_command("deploy")
    cluster.policies[NAMESPACE, "isAllowAutoUpdateSchema"] = False
    cluster.policies[NAMESPACE, "schemaCompatibilityStrategy"] = "ALWAYS_INCOMPATIBLE"
    assert deployment_command("deploy")[0] == 0


def test_a_recorded_contract_that_cannot_be_read_is_named(cluster: Cluster, deployment_command: Deployment) -> None:
    deployment_command("deploy")
    cluster.properties[COMMAND]["contract.1"] = json.dumps({"fileDescriptorSet": "AAAA"})
    code, told = deployment_command("deploy")
    assert code == 1
    assert "crear-orden" in told
    assert len(told.splitlines()) == 1
