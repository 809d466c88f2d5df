"""The corpus of poison for every input, and orders that look like poison and are none."""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from alpes_wire.names import ATTEMPT, SOURCE_TOPIC
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, OrdenActualizada, OrdenCreada, VencerOrdenes
from schemas.tienda.v1.pagos_pb2 import ReembolsarTransaccion, TransaccionProcesada
from schemas.tienda.v1.reporting_pb2 import GenerarReporte
from tests.faults.ordeal import LONG

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
LARGEST = 5_000_000
"""Bytes of a message that the broker takes and that no service can publish again with its reason."""
NEAR = 4_899_900
"""Bytes of a message that could be published again, but for the properties of a dead letter."""
INT32, INT64 = 2**31, 2**63


class Form(NamedTuple):
    """How a message of a type is written.

    Attributes
    ----------
    kind
        The type.
    id_field
        The field that says what it is about.
    usual
        What its other fields hold. The last one on the wire is a text: without its last byte the message is broken.
    """

    kind: Any
    id_field: str
    usual: dict[str, Any]

    def write(self, about: str, **fields: Any) -> bytes:
        """Return the bytes of a message, valid but for what ``about`` and ``fields`` say."""
        return bytes(self.kind(**(self.usual | {self.id_field: about} | fields)).SerializeToString())


CREAR = Form(CrearOrden, "id", {"client_id": 42, "address": "Calle 1", "total_cents": 100, "traceparent": TRACE})
CREADA = Form(
    OrdenCreada, "id", {"client_id": 42, "address": "Calle 1", "total_cents": 100, "event_type": "orden-creada"}
)
TRANSACCION = Form(TransaccionProcesada, "order_id", {"status": "aprobada", "traceparent": TRACE})
ACTUALIZADA = Form(
    OrdenActualizada, "id", {"status": "aprobada", "total_cents": 100, "version": 2, "transaction_id": "t-1"}
)
REEMBOLSAR = Form(ReembolsarTransaccion, "order_id", {"transaction_id": "t-1", "traceparent": TRACE})
GENERAR = Form(GenerarReporte, "report_id", {"format": "csv", "traceparent": TRACE})
VENCER = Form(VencerOrdenes, "after_id", {"accepted_from_ms": 1, "accepted_until_ms": 2})


class Kind(NamedTuple):
    """What an input takes.

    Attributes
    ----------
    valid
        How a valid message is written.
    other
        Another type, a valid message of which this input must not take for its own.
    bad
        Values that a field must not have, by field.
    """

    valid: Form
    other: Form
    bad: dict[str, list[Any]]


TOTALS = {"total_cents": [-1, -INT64]}
CURRENCIES = {"currency": ["usd", "'; DROP TABLE ordenes; --", "<script>", "U\0D", "€€€"]}
FAR = [-1, -INT64, INT64 - 1, 253_402_300_800_000]
STATUS = {"status": ["pagada", "APROBADA", "", "aprobada ", "<b>aprobada</b>", "aprobada\0"]}
TIMES = {"created_at_ms": FAR}
SENT_TIMES = {"created_at_ms": [*FAR, 1, 1_767_225_600]}
ADDRESSES = {"address": ["", "a\0b", "x" * 10_000]}
KINDS: dict[str, Kind] = {
    "crear-orden": Kind(CREAR, TRANSACCION, TOTALS | CURRENCIES | SENT_TIMES | ADDRESSES),
    "orden-creada": Kind(CREADA, GENERAR, TOTALS | CURRENCIES | {"event_type": ["orden-actualizada"]}),
    "transaccion-creada": Kind(TRANSACCION, CREAR, STATUS | {"id": ["../x", "a\0b", "x" * 10_000]}),
    "reembolsar-transaccion": Kind(
        REEMBOLSAR, CREADA, CURRENCIES | {"amount_cents": [-1, -INT64], "transaction_id": ["a b", "\0"]}
    ),
    "orden-actualizada": Kind(ACTUALIZADA, TRANSACCION, STATUS | TOTALS | CURRENCIES | TIMES | {"updated_at_ms": FAR}),
    "generar-reporte": Kind(GENERAR, CREAR, {}),
    "ordenes-reintento": Kind(VENCER, CREAR, {"accepted_from_ms": [0, *FAR], "accepted_until_ms": [0, *FAR[:2]]}),
}
RETRIED = {
    "ordenes-reintento": ("crear-orden", "transaccion-creada"),
    "pagos-reintento": ("orden-creada", "reembolsar-transaccion"),
    "reporting-reintento": ("orden-actualizada", "generar-reporte"),
}
"""What comes through each retry topic."""
BAD_IDS = {
    "no id": "",
    "id of 10 kB": "x" * 10_000,
    "id with path separators": "../../etc/passwd",
    "id with backslashes": "..\\..\\boot.ini",
    "id with SQL": "'; DROP TABLE ordenes; --",
    "id with HTML": "<script>alert(1)</script>",
    "id with NUL": "a\0b",
    "id of spaces": "   ",
    "id not ASCII": "órden-ñ",
    "id with a line feed": "orden-1\n",
}


class Poison(NamedTuple):
    """One message that nobody may take.

    Attributes
    ----------
    topic
        Where it is sent.
    key
        Its key, by which it is found again.
    data, properties
        What it holds.
    letters
        Topic of its dead letter.
    """

    topic: str
    key: str
    data: bytes
    properties: dict[str, str]
    letters: str


def payloads(kind: Kind, random: Random) -> Iterator[tuple[str, bytes]]:
    """Yield the corpus of an input: what is wrong, and the bytes."""
    valid = kind.valid.write("p-1")
    yield "random bytes", random.randbytes(random.randrange(1, 2_000))
    yield "truncated", valid[:-1]
    yield "truncated somewhere in the first field", valid[:2]
    yield "another type", kind.other.write("p-1")
    yield "empty", b""
    yield "text", b"{'id': 1}"
    yield "zeros", bytes(100)
    yield "an endless number", b"\xff" * 50
    yield "invalid UTF-8", valid + b"\x0a\x02\xff\xfe"
    for what, bad in BAD_IDS.items():
        if bad or kind.valid is not VENCER:
            yield what, kind.valid.write(bad)
    for field, values in kind.bad.items():
        for value in values:
            yield f"{field} {value!r:.30}", kind.valid.write("p-1", **{field: value})


def large(random: Random) -> Iterator[tuple[str, bytes]]:
    """Yield what fits into no dead letter, and what just does."""
    # No field has the number 0: whatever follows is no message.
    yield "5 MB", b"\0" + random.randbytes(LARGEST - 1)
    yield "near the size limit", b"\xff" * NEAR
    if LONG:
        yield "just below it", b"\xff" * (NEAR - 10_000)


def corpus(start: str, random: Random, *, with_large: bool) -> Iterator[Poison]:
    """Yield every poison for every input, each with a key of its own."""
    for topic, kind in KINDS.items():
        wrong = [*payloads(kind, random), *(large(random) if with_large else ())]
        for n, (what, data) in enumerate(wrong):
            yield Poison(topic, f"{start}{topic}-{n}:{what}", data, {}, f"{topic}-DLQ")
    for retry, sources in RETRIED.items():
        for source in sources:
            for n, (what, data) in enumerate(payloads(KINDS[source], random)):
                properties = {SOURCE_TOPIC: f"persistent://{NAMESPACE}/{source}", ATTEMPT: str(n)}
                yield Poison(retry, f"{start}{retry}-{source}-{n}:{what}", data, properties, f"{source}-DLQ")
        whole = KINDS[sources[0]].valid.write("p-1")
        for n, source in enumerate(("", "nonsense", f"persistent://{NAMESPACE}/{retry}", "a\0b", "x" * 10_000)):
            properties = {SOURCE_TOPIC: source, ATTEMPT: ("-1", "one", "9" * 40, "", "1.5")[n]}
            yield Poison(retry, f"{start}{retry}-from-{n}", whole, properties, f"{retry}-DLQ")


def extremes(start: str) -> list[CrearOrden]:
    """Return orders that look like poison and are none."""
    unusual: list[dict[str, Any]] = [
        {"client_id": INT32 - 1},
        {"client_id": -INT32},
        {"created_at": float("nan")},
        {"created_at": float("inf")},
        {"created_at": -float("inf")},
        {"created_at": -1.0},
        {"created_at": 3e38},
        {"created_at_ms": 100_000_000_001},
        {"created_at_ms": 253_402_300_799_999},
        {"total_cents": 0},
        *({"total_cents": INT64 - 1} for _ in range(3)),
        {"address": "'; DROP TABLE ordenes; --"},
        {"address": "<script>alert(1)</script>"},
        {"address": "../../etc/passwd"},
        {"address": "x" * 1_000},
        {"address": "\U0001f4a9\u202e\ufeff"},
        {"status": "reembolsada", "service": "x" * 10_000},
        {"traceparent": "a\0b" * 1_000},
    ]
    return [CrearOrden.FromString(CREAR.write(f"{start}{n:03d}", **fields)) for n, fields in enumerate(unusual)]
