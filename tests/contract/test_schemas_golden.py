"""Old bytes stay readable: golden files hold each version of a message as it is on the wire.

A golden file never changes. A new version of a message gets a new file beside the old one.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from schemas.tienda.v1 import ordenes_pb2, pagos_pb2, reporting_pb2

FILES = sorted((Path(__file__).parent / "golden").glob("*.json"))
MODULES = (ordenes_pb2, pagos_pb2, reporting_pb2)
MESSAGES: dict[str, type[Message]] = {
    descriptor.full_name: getattr(module, name)
    for module in MODULES
    for name, descriptor in module.DESCRIPTOR.message_types_by_name.items()
}
# Field 1900 as a string, 1901 as a varint: numbers that no message of ours uses.
OF_A_LATER_VERSION = bytes.fromhex("e276") + bytes([5]) + b"nuevo" + bytes.fromhex("e87601")


class Golden(NamedTuple):
    message: type[Message]
    data: bytes
    fields: dict[str, object]


def read(path: Path) -> Golden:
    content = json.loads(path.read_text())
    return Golden(MESSAGES[content["message"]], bytes.fromhex(content["hex"]), content["fields"])


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def golden(request: pytest.FixtureRequest) -> Golden:
    return read(request.param)


def test_golden_bytes_decode_to_the_fields_written_beside_them(golden: Golden) -> None:
    decoded = golden.message.FromString(golden.data)
    assert json_format.MessageToDict(decoded, preserving_proto_field_name=True) == golden.fields


def test_the_fields_encode_to_the_golden_bytes(golden: Golden) -> None:
    message = json_format.ParseDict(golden.fields, golden.message())
    assert message.SerializeToString(deterministic=True) == golden.data


def test_fields_of_a_later_version_survive_a_reader_of_today(golden: Golden) -> None:
    decoded = golden.message.FromString(golden.data + OF_A_LATER_VERSION)
    assert decoded.SerializeToString() == golden.data + OF_A_LATER_VERSION
    assert json_format.MessageToDict(decoded, preserving_proto_field_name=True) == golden.fields


def test_every_message_has_golden_bytes() -> None:
    assert {read(path).message.DESCRIPTOR.full_name for path in FILES} == set(MESSAGES)


def test_every_field_is_in_some_golden_message() -> None:
    covered = {(read(path).message.DESCRIPTOR.full_name, field) for path in FILES for field in read(path).fields}
    every = {(name, field) for name, message in MESSAGES.items() for field in message.DESCRIPTOR.fields_by_name}
    assert every - covered == set()


def test_a_total_of_zero_is_not_an_absent_total() -> None:
    zero = ordenes_pb2.CrearOrden.FromString(ordenes_pb2.CrearOrden(id="a", total_cents=0).SerializeToString())
    absent = ordenes_pb2.CrearOrden.FromString(ordenes_pb2.CrearOrden(id="a").SerializeToString())
    assert zero.HasField("total_cents")
    assert not absent.HasField("total_cents")
