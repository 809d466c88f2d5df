"""A client of the first system can still talk to this one: fields 1 to 6 are the same on the wire."""

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from schemas.tienda.v1 import ordenes_pb2, pagos_pb2

Field = descriptor_pb2.FieldDescriptorProto

ORDER = {
    "id": Field.TYPE_STRING,
    "client_id": Field.TYPE_INT32,
    "address": Field.TYPE_STRING,
    "status": Field.TYPE_STRING,
    "created_at": Field.TYPE_FLOAT,
    "service": Field.TYPE_STRING,
}
TRANSACTION = {"order_id": Field.TYPE_STRING, "status": Field.TYPE_STRING}
ORDER_VALUES = {
    "id": "orden-0001",
    "client_id": 42,
    "address": "Calle 93 #13-24, Bogotá",
    "status": "creada",
    "created_at": 1767225600.0,
    "service": "cliente",
}
TRANSACTION_VALUES = {"order_id": "orden-0001", "status": "aprobada"}


def first_system(name: str, fields: dict[str, "Field.Type.ValueType"]) -> type[Message]:
    """Build the first system's message, which had the fields in this order, numbered from 1."""
    file = descriptor_pb2.FileDescriptorProto(name=f"first/{name}.proto", package="first", syntax="proto3")
    message = file.message_type.add(name=name)
    for number, (field, kind) in enumerate(fields.items(), 1):
        message.field.add(name=field, number=number, type=kind, label=Field.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"first.{name}"))


Order = first_system("Order", ORDER)
OrdenCreada = first_system("OrdenCreada", ORDER)
TransaccionProcesada = first_system("TransaccionProcesada", TRANSACTION)

PAIRS = [
    pytest.param(Order, ordenes_pb2.CrearOrden, ORDER_VALUES, id="CrearOrden"),
    pytest.param(OrdenCreada, ordenes_pb2.OrdenCreada, ORDER_VALUES, id="OrdenCreada"),
    pytest.param(OrdenCreada, ordenes_pb2.OrdenActualizada, ORDER_VALUES, id="OrdenActualizada"),
    pytest.param(TransaccionProcesada, pagos_pb2.TransaccionProcesada, TRANSACTION_VALUES, id="TransaccionProcesada"),
]


@pytest.mark.parametrize(("first", "ours", "values"), PAIRS)
def test_we_read_what_the_first_system_writes(
    first: type[Message], ours: type[Message], values: dict[str, object]
) -> None:
    decoded = ours.FromString(first(**values).SerializeToString())
    assert {name: getattr(decoded, name) for name in values} == values


@pytest.mark.parametrize(("first", "ours", "values"), PAIRS)
def test_the_first_system_reads_what_we_write(
    first: type[Message], ours: type[Message], values: dict[str, object]
) -> None:
    written = ours(**values)
    for field in ours.DESCRIPTOR.fields:
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            getattr(written, field.name).SetInParent()
        elif field.name not in values:
            setattr(written, field.name, "nuevo" if field.type == FieldDescriptor.TYPE_STRING else 7)
    decoded = first.FromString(written.SerializeToString())
    assert {name: getattr(decoded, name) for name in values} == values


@pytest.mark.parametrize(("first", "ours", "values"), PAIRS)
def test_the_same_values_are_the_same_bytes(
    first: type[Message], ours: type[Message], values: dict[str, object]
) -> None:
    assert first(**values).SerializeToString(deterministic=True) == ours(**values).SerializeToString(deterministic=True)


def test_an_order_without_the_sixth_field_is_read() -> None:
    values = {name: value for name, value in ORDER_VALUES.items() if name != "service"}
    decoded = ordenes_pb2.CrearOrden.FromString(Order(**values).SerializeToString())
    assert decoded.service == ""
    assert decoded.currency == ""
    assert not decoded.HasField("total_cents")
