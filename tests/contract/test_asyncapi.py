"""The AsyncAPI document is what the code says, and valid; so is the page that is made with it.

`asyncapi-3.0.0.json.gz` is the official JSON Schema: `schemas/3.0.0.json` of the npm package `@asyncapi/specs` 6.11.1,
as it is there, under the Apache License 2.0.
"""

import gzip
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from alpes_wire import names
from deployment import asyncapi, function_configs, topology
from deployment.function_configs import CHECKOUT
from schemas.tienda.topics import full_name

SCHEMA = Path(__file__).with_name("asyncapi-3.0.0.json.gz")


@pytest.fixture(scope="module")
def written() -> dict[Path, str]:
    return asyncapi.written()


@pytest.fixture
def document(written: dict[Path, str]) -> Any:
    return yaml.safe_load(written[asyncapi.DOCUMENT])


def problems(document: Any) -> list[str]:
    validator = jsonschema.Draft7Validator(json.loads(gzip.decompress(SCHEMA.read_bytes())))
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]


@pytest.mark.parametrize("path", [asyncapi.DOCUMENT, asyncapi.PAGE], ids=lambda path: path.name)
def test_the_file_is_current(written: dict[Path, str], path: Path) -> None:
    assert path.read_text(encoding="utf-8") == written[path], f"run {asyncapi.COMMAND}"


def test_the_document_is_valid_by_the_official_schema(document: Any) -> None:
    assert problems(document) == []


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("channels", "crear-orden", "bindings", "pulsar", "persistence"), "sometimes"),
        (("channels", "crear-orden", "bindings", "pulsar", "retention"), {"time": -1}),
        (("operations", "ordenes.receive.crear-orden", "action"), "read"),
        (("asyncapi",), "2.0.0"),
    ],
)
def test_the_official_schema_refuses_what_is_wrong(document: Any, place: tuple[str, ...], value: object) -> None:
    *way, last = place
    at = document
    for name in way:
        at = at[name]
    at[last] = value
    assert problems(document)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if "$ref" in part:
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        yield from itertools.chain.from_iterable(map(references, part))


def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in references(document):
        at = document
        for name in reference.removeprefix("#/").split("/"):
            at = at[name]


def test_every_topic_and_message_is_described(document: Any) -> None:
    wanted = topology.load()
    assert [channel["address"] for channel in document["channels"].values()] == [
        full_name(topic.name) for topic in wanted.topics
    ]
    described = set(document["components"]["messages"])
    assert {topic.message.rpartition(".")[2] for topic in wanted.topics if topic.message} <= described


def test_every_input_and_output_of_a_function_is_an_operation(document: Any) -> None:
    found = {
        (each["tags"][0]["name"], each["action"], each["channel"]["$ref"]) for each in document["operations"].values()
    }
    for config in function_configs.load().values():
        sent = [config.values.get("output"), *config.user_config.values()]
        for topic in config.inputs:
            assert (config.name, "receive", f"#/channels/{topic.rpartition('/')[2]}") in found
        for topic in sent:
            if str(topic).startswith("persistent://"):
                assert (config.name, "send", f"#/channels/{str(topic).rpartition('/')[2]}") in found


def test_each_payload_is_a_proto_file_of_its_own(document: Any, tmp_path: Path) -> None:
    schemas = document["components"]["schemas"]
    texts = {name: each["schema"] for name, each in schemas.items() if each.get("schemaFormat") == asyncapi.PROTOBUF}
    assert list(texts) == list(document["components"]["messages"])
    for name, text in texts.items():
        (tmp_path / f"{name}.proto").write_text(text)
        command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", f"--descriptor_set_out={tmp_path}/out"]
        done = subprocess.run([*command, f"{name}.proto"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_message_of_several_types_is_described_with_all_of_them(tmp_path: Path) -> None:
    schemas = Path(shutil.copytree(CHECKOUT / "schemas", tmp_path / "schemas"))
    path = schemas / "tienda" / "v1" / "ordenes.proto"
    more = "enum Via {\n  VIA_CALLE = 0;\n}\n// Where.\nmessage Lugar {\n  Via via = 1;\n}\n"
    text = path.read_text().replace(
        "string traceparent = 10;\n", "string traceparent = 10;\n  repeated Lugar lugares = 50;\n"
    )
    path.write_text(text + more)
    types = asyncapi.message_types(schemas)
    assert all(part in types["CrearOrden"].text for part in ("enum Via {", "message Lugar {", "message CrearOrden {"))
    assert types["Lugar"].comment == "Where."
    assert {field.name: field.kind for field in types["CrearOrden"].fields}["lugares"] == "repeated Lugar"
    assert "Lugar" not in types["VencerOrdenes"].text


def test_messages_dead_letters_and_retries_are_described_with_their_properties(document: Any) -> None:
    schemas = document["components"]["schemas"]
    assert set(schemas["propertiesOfMessages"]["properties"]) == {names.TRACEPARENT}
    assert set(schemas["propertiesOfDeadLetters"]["properties"]) == {
        names.ATTEMPT, names.SOURCE_TOPIC, names.SOURCE_MESSAGE_ID,
        names.ERROR_TYPE, names.ERROR_MESSAGE, names.ERROR_FUNCTION, names.OMITTED,
    }  # fmt: skip
    assert set(schemas["propertiesOfRetries"]["properties"]) == {
        names.ATTEMPT,
        names.SOURCE_TOPIC,
        names.SOURCE_MESSAGE_ID,
    }
