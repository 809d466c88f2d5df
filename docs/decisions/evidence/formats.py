# /// script
# requires-python = ">=3.11"
# dependencies = ["fastavro", "protobuf>=7.35", "grpcio-tools"]
# ///
"""Compares Protobuf, Avro and JSON on our own messages: bytes, time in Python, and what each refuses to evolve.

Run it from the checkout's folder: ``uv run docs/decisions/evidence/formats.py``. It needs nothing that runs.
"""

import io
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

CHECKOUT = Path(__file__).parents[3]
MESSAGES = 20_000
ROUNDS = 9


class Codec(NamedTuple):
    """How one format turns a message into bytes and back."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]
    make: Callable[[dict[str, Any]], Any]


def order(number: int) -> dict[str, Any]:
    """Return an `orden-actualizada` as Ordenes emits it."""
    name = f"0b8f6c1e-52a4-4b5e-9f43-{number:012d}"
    return {
        "id": name,
        "client_id": number % 5000,
        "address": f"{number} Calle de la Rosa, 28001 Madrid",
        "status": "aprobada",
        "created_at": 1.7e9 + number,
        "service": "ordenes",
        "created_at_ms": 1_700_000_000_000 + number,
        "total_cents": 100 + number % 50_000,
        "currency": "USD",
        "traceparent": f"00-{number:032x}-{number:016x}-01",
        "event_id": f"orden-actualizada:{name}:2",
        "event_type": "orden-actualizada",
        "schema_version": 2,
        "version": 2,
        "updated_at_ms": 1_700_000_000_020 + number,
        "transaction_id": f"7c1de9a0-1111-4222-8333-{number:012d}",
        "direccion": {
            "calle": "Calle de la Rosa",
            "numero": str(number),
            "complemento": "",
            "codigo_postal": "28001",
            "ciudad": "Madrid",
            "region": "",
            "pais": "ES",
        },
    }


def described(*files: str) -> descriptor_pb2.FileDescriptorSet:
    """Compile `.proto` files of the checkout."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "set"
        if protoc.main(["protoc", f"-I{CHECKOUT / 'schemas'}", f"--descriptor_set_out={out}", *files]):
            sys.exit("protoc refused the schemas.")
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())


Field = descriptor_pb2.FieldDescriptorProto

AVRO_TYPES = {
    Field.TYPE_INT32: ("int", 0),
    Field.TYPE_INT64: ("long", 0),
    Field.TYPE_FLOAT: ("float", 0.0),
    Field.TYPE_STRING: ("string", ""),
}


def avro_schema(message: descriptor_pb2.DescriptorProto, files: descriptor_pb2.FileDescriptorSet) -> Any:
    """Return the same record in Avro: each field with a default, as proto3 has it."""
    return fastavro.parse_schema(avro_record(message, files))


def avro_record(message: descriptor_pb2.DescriptorProto, files: descriptor_pb2.FileDescriptorSet) -> dict[str, Any]:
    """Return the record before it is parsed; a message within it may be missing."""
    messages = {f".{file.package}.{each.name}": each for file in files.file for each in file.message_type}
    fields = []
    for field in message.field:
        kind: Any
        default: Any
        if field.type == Field.TYPE_MESSAGE:
            kind, default = ["null", avro_record(messages[field.type_name], files)], None
        else:
            kind, default = AVRO_TYPES[field.type]
        if field.label == Field.LABEL_REPEATED:
            kind, default = {"type": "array", "items": kind}, []
        fields.append({"name": field.name, "type": kind, "default": default})
    return {"type": "record", "name": message.name, "fields": fields}


def protobuf_of(files: descriptor_pb2.FileDescriptorSet, name: str) -> Any:
    """Return the class of a message."""
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def avro(schema: Any, writer: Any = None) -> Codec:
    """Return Avro's codec: a message of ``writer``'s schema is read as ``schema`` says."""

    def encode(record: dict[str, Any]) -> bytes:
        buffer = io.BytesIO()
        fastavro.schemaless_writer(buffer, schema, record)
        return buffer.getvalue()

    return Codec(
        "Avro (fastavro)",
        encode,
        lambda data: fastavro.schemaless_reader(io.BytesIO(data), writer or schema, schema),
        dict,
    )


def codecs() -> list[Codec]:
    """Return the formats, each with `OrdenActualizada`."""
    files = described("tienda/v1/ordenes.proto")
    kind = protobuf_of(files, "tienda.v1.OrdenActualizada")
    (message,) = [each for each in files.file[0].message_type if each.name == "OrdenActualizada"]
    return [
        Codec("Protobuf (upb)", lambda m: m.SerializeToString(), kind.FromString, lambda fields: kind(**fields)),
        avro(avro_schema(message, files)),
        Codec("JSON (json)", lambda r: json.dumps(r).encode(), json.loads, dict),
    ]


def microseconds(work: Callable[[], object]) -> float:
    """Return how long one message takes: the median of some rounds."""
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) / MESSAGES * 1e6)
    return statistics.median(taken)


def measured() -> None:
    """Print bytes and times."""
    records = [order(number) for number in range(MESSAGES)]
    print("| format | bytes | build and encode | decode and read three fields |\n|---|---|---|---|")
    for codec in codecs():
        encoded = [codec.encode(codec.make(record)) for record in records]
        read = (
            (lambda m: (m.id, m.status, m.version))
            if "Proto" in codec.name
            else (lambda m: (m["id"], m["status"], m["version"]))
        )
        assert [read(codec.decode(data)) for data in encoded[:10]] == [(r["id"], r["status"], 2) for r in records[:10]]
        encoding = microseconds(lambda c=codec: [c.encode(c.make(record)) for record in records])
        decoding = microseconds(lambda c=codec, d=encoded, r=read: [r(c.decode(data)) for data in d])
        size = statistics.mean(map(len, encoded))
        print(f"| {codec.name} | {size:.0f} | {encoding:.1f} µs | {decoding:.1f} µs |")


def _change(**to: Any) -> Callable[[Field], None]:
    def apply(field: Field) -> None:
        for name, value in to.items():
            setattr(field, name, value)

    return apply


CHANGES: dict[str, Callable[[Field], None] | None] = {
    "none": _change(),
    "the field is removed": None,
    "it is renamed": _change(name="amount_minor"),
    "it gets another number": _change(number=30),
    "its number goes to a text": _change(number=8, type=Field.TYPE_STRING, name="customer"),
    "int64 → int32": _change(type=Field.TYPE_INT32),
    "int64 → string": _change(type=Field.TYPE_STRING),
    "it is repeated": _change(label=Field.LABEL_REPEATED),
}
"""What may become of `total_cents` in a new version of the contract."""
RENAMED = {"it is renamed": "amount_minor", "its number goes to a text": "customer"}
"""Where the reader then looks for it."""


def changed(files: descriptor_pb2.FileDescriptorSet, apply: Callable[[Field], None] | None) -> Any:
    """Return the descriptors after a change, and the message in them."""
    new = descriptor_pb2.FileDescriptorSet()
    new.CopyFrom(files)
    (message,) = [each for each in new.file[0].message_type if each.name == "OrdenActualizada"]
    (field,) = [each for each in message.field if each.name == "total_cents"]
    # `optional` is a oneof of one field, in whose way a change would be.
    del message.oneof_decl[:]
    field.ClearField("oneof_index")
    field.ClearField("proto3_optional")
    if apply is None:
        message.field.remove(field)
    else:
        apply(field)
    return new, message


def told(read: Callable[[], Any]) -> str:
    """Return what a new reader has in the field when it reads an old message."""
    try:
        value = read()
    except (AttributeError, KeyError):
        return "gone, the rest right"
    except Exception as error:  # noqa: BLE001 - whatever a library raises is its answer
        return f"refused: {type(error).__name__}"
    return "right" if value == order(7)["total_cents"] else f"silently {value!r}"


def evolved() -> None:
    """Print what a reader of each changed contract gets from a message of the old one."""
    files = described("tienda/v1/ordenes.proto")
    written = [codec.encode(codec.make(order(7))) for codec in codecs()]
    older = avro_schema(next(each for each in files.file[0].message_type if each.name == "OrdenActualizada"), files)
    print("\n| what became of `total_cents` | Protobuf | Avro, given the writer's schema | Avro, not given it | JSON |")
    print("|---|---|---|---|---|")
    for name, apply in CHANGES.items():
        answers = map(told, readers(*changed(files, apply), older, written, RENAMED.get(name, "total_cents")))
        print(f"| {name} | {' | '.join(answers)} |")


def readers(
    new: descriptor_pb2.FileDescriptorSet,
    message: descriptor_pb2.DescriptorProto,
    older: Any,
    data: list[bytes],
    field: str,
) -> list[Callable[[], Any]]:
    """Return how each format reads the field from an old message by the new contract."""
    newer = avro_schema(message, new)
    return [
        lambda: getattr(protobuf_of(new, "tienda.v1.OrdenActualizada").FromString(data[0]), field),
        lambda: fastavro.schemaless_reader(io.BytesIO(data[1]), older, newer)[field],
        lambda: fastavro.schemaless_reader(io.BytesIO(data[1]), newer, newer)[field],
        lambda: json.loads(data[2])[field],
    ]


if __name__ == "__main__":
    measured()
    evolved()
