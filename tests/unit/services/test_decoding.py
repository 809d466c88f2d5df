"""From any bytes, each service reads a value that its database can hold, or refuses them; it never fails."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import InvalidMessage, Received
from functions.ordenes import messages as ordenes
from functions.pagos import messages as pagos
from functions.reporting import messages as reporting
from schemas.tienda.orden import STATUSES
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada, VencerOrdenes
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada
from schemas.tienda.v1.reporting_pb2 import GenerarReporte
from tests.unit.services.wire import arrived

INT64 = 2**63


class Input(NamedTuple):
    """A kind of message that a service reads, and whether its content goes into a table."""

    role: str
    kind: type[Message]
    decode: Callable[[Received], Any]
    stored: bool = True


INPUTS = (
    Input("crear-orden", CrearOrden, ordenes.decode_crear_orden),
    Input("transaccion-creada", TransaccionProcesada, ordenes.decode_transaccion),
    Input("ordenes-reintento", VencerOrdenes, ordenes.decode_vencer_ordenes),
    Input("orden-creada", OrdenCreada, pagos.decode_orden_creada),
    Input("reembolsar-transaccion", ReembolsarTransaccion, pagos.decode_reembolsar_transaccion),
    Input("orden-actualizada", OrdenActualizada, reporting.decode_orden_actualizada),
    Input("generar-reporte", GenerarReporte, reporting.decode_generar_reporte, stored=False),
)
EVERY = pytest.mark.parametrize("one", INPUTS, ids=[one.role for one in INPUTS])
TEXTS = st.one_of(
    st.sampled_from(("", "orden-1", "USD", "a\0b", "../../etc/passwd", "'; DROP TABLE ordenes; --", "x" * 10_000)),
    st.sampled_from((*STATUSES, *(one.role for one in INPUTS))),
    st.text(max_size=40),
)
BOUNDS = (0, 1, -1, 2**31 - 1, -(2**31), INT64 - 1, -INT64, 1_767_225_600_000)
DOUBLES = st.floats() | st.sampled_from((float("nan"), float("inf"), -float("inf"), -1.0, 1e300))
INT32S = st.integers(-(2**31), 2**31 - 1) | st.sampled_from([n for n in BOUNDS if -(2**31) <= n < 2**31])
VALUES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.TYPE_STRING: TEXTS,
    FieldDescriptor.TYPE_BYTES: st.binary(max_size=40),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
    FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    FieldDescriptor.TYPE_DOUBLE: DOUBLES,
    FieldDescriptor.TYPE_INT32: INT32S,
    FieldDescriptor.TYPE_INT64: st.integers(-INT64, INT64 - 1) | st.sampled_from(BOUNDS),
}
"""What a field of each type may hold on the wire, likely and extreme values first."""


def contents(kind: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Draw some of a message's fields, with any content."""
    fields = {
        field.name: contents(field.message_type) if field.message_type else VALUES[field.type] for field in kind.fields
    }
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def messages(draw: st.DrawFn, kind: type[Message]) -> bytes:
    """Draw a message of this kind, well formed and of any content."""
    return bytes(kind(**draw(contents(kind.DESCRIPTOR))).SerializeToString())


@st.composite
def mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """Draw a damaged message: bytes changed, inserted, cut out, cut off or doubled."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(("change", "insert", "remove", "cut", "double"))):
            case "change":
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=12))
            case "remove":
                del data[at : at + draw(st.integers(1, 8))]
            case "cut":
                del data[at:]
            case "double":
                data += data[at:]
    return bytes(data)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from texts_in(part)


def numbers_in(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, tuple):
        for part in value:
            yield from numbers_in(part)


def read(one: Input, data: bytes) -> None:
    """Check that the bytes are read as a value that PostgreSQL takes, or refused."""
    try:
        value = one.decode(arrived(data, one.role))
    except InvalidMessage:
        return
    for text in texts_in(value):
        assert "\0" not in text or not one.stored, "PostgreSQL's text refuses NUL"
        text.encode()
    for number in numbers_in(value):
        assert -INT64 <= number < INT64


@EVERY
@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(one: Input, data: bytes) -> None:
    read(one, data)


@EVERY
@given(draws=st.data())
def test_any_content_is_a_value_or_refused(one: Input, draws: st.DataObject) -> None:
    read(one, draws.draw(messages(one.kind)))


@EVERY
@given(draws=st.data())
def test_a_damaged_message_is_a_value_or_refused(one: Input, draws: st.DataObject) -> None:
    read(one, draws.draw(mutated(draws.draw(messages(one.kind)))))


@EVERY
@given(draws=st.data())
def test_a_message_of_another_kind_is_a_value_or_refused(one: Input, draws: st.DataObject) -> None:
    other = draws.draw(st.sampled_from(INPUTS))
    read(one, draws.draw(messages(other.kind)))
