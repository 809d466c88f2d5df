"""Reporting: what it accepts, its formats, and the parts of a report."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import Done, Event, InvalidMessage
from alpes_runtime._watchdog import HANG_LIMIT_S
from alpes_runtime.database import Row
from alpes_runtime.testing import FakeClock
from functions.reporting import formats as package
from functions.reporting import messages
from functions.reporting.domain import Pedido
from functions.reporting.formats import Report, formats
from functions.reporting.handlers import ORDERS_PER_SIGN, ReportingHandlers
from schemas.tienda import rules
from schemas.tienda.cambios import Cambio
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado
from tests.fakes import FakeDatabase
from tests.fields import text, whole
from tests.simulation.server import OpenTransaction
from tests.simulation.statements import ORDEN as COLUMNS
from tests.simulation.statements import STATEMENTS
from tests.unit.services.wire import PUBLISHED_MS, arrived, seed_order

ORDEN = Cambio("orden-1", 42, "aprobada", 1250, "USD", 2, 1_767_225_600_123, 1_767_225_601_456)
PEDIDO = Pedido("reporte-1", "csv", "")
ORDENES = st.builds(
    Cambio,
    st.text("abcXYZ0189._-", min_size=1, max_size=128),
    st.integers(-(2**31), 2**31 - 1),
    st.sampled_from(FINAL_STATUSES),
    st.integers(0, 2**63 - 1),
    st.sampled_from(["USD", "COP"]),
    st.integers(1, 2**31 - 1),
    st.integers(1, rules.LAST_TIME_MS),
    st.integers(1, rules.LAST_TIME_MS),
)


def rendered(format_name: str, *ordenes: Cambio) -> bytes:
    return b"".join(formats()[format_name].render(Report(1_767_225_700_000, iter(ordenes))))


def test_the_formats_are_csv_and_json() -> None:
    assert {name: one.content_type for name, one in formats().items()} == {
        "csv": "text/csv",
        "json": "application/json",
    }


def test_a_new_format_is_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "count.py").write_text(
        'CONTENT_TYPE = "text/plain"\n\ndef render(report):\n    yield b"%d" % len(list(report.ordenes))\n'
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    assert sorted(formats()) == ["count", "csv", "json"]
    assert formats()["count"].content_type == "text/plain"
    assert rendered("count", ORDEN, ORDEN) == b"2"


@given(ordenes=st.lists(ORDENES, max_size=5))
def test_a_csv_report_reads_back_as_the_same_orders(ordenes: list[Cambio]) -> None:
    rows = list(csv.DictReader(io.StringIO(rendered("csv", *ordenes).decode(), newline="")))
    assert rows == [
        {name: str(value) for name, value in orden._asdict().items() if name != "version"} for orden in ordenes
    ]


@given(ordenes=st.lists(ORDENES, max_size=5))
def test_a_json_report_reads_back_as_the_same_orders_with_their_totals(ordenes: list[Cambio]) -> None:
    report = json.loads(rendered("json", *ordenes))
    assert [Cambio(**row) for row in report["orders"]] == ordenes
    assert report["generated_at_ms"] == 1_767_225_700_000
    assert sum(total["orders"] for total in report["totals"].values()) == len(ordenes)
    assert sum(total["total_cents"] for total in report["totals"].values()) == sum(o.total_cents for o in ordenes)
    assert set(report["totals"]) == {orden.status for orden in ordenes}


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_report_without_orders_is_a_whole_report(name: str) -> None:
    content = rendered(name)
    if name == "csv":
        assert content == b"id,client_id,status,total_cents,currency,created_at_ms,updated_at_ms\r\n"
    else:
        assert json.loads(content) == {"generated_at_ms": 1_767_225_700_000, "orders": [], "totals": {}}


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_format_holds_no_more_than_a_few_orders_at_a_time(name: str) -> None:
    taken = 0

    def counted() -> Iterator[Cambio]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield ORDEN

    for number, _piece in enumerate(formats()[name].render(Report(1, counted()))):
        assert taken <= number + 3


def parts(pedido: Pedido, *pieces: bytes) -> list[ReporteGenerado]:
    events = list(messages.reporte_parts("t", pedido, 7, "text/csv", pieces))
    assert {(event.topic, event.key) for event in events} == {("t", pedido.report_id)}
    return [ReporteGenerado.FromString(event.payload) for event in events]


@given(sizes=st.lists(st.integers(0, 400_000), max_size=12))
def test_the_parts_of_a_report_are_the_report(sizes: list[int]) -> None:
    pieces = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    made = parts(PEDIDO, *pieces)
    assert b"".join(part.content for part in made) == b"".join(pieces)
    assert [part.part for part in made] == list(range(len(made)))
    assert [part.last for part in made] == [False] * (len(made) - 1) + [True]
    assert all(len(part.content) < messages.PART_BYTES + 400_000 for part in made)
    assert len({part.event_id for part in made}) == len(made)


def test_a_report_without_content_is_one_part() -> None:
    (part,) = parts(PEDIDO)
    assert (part.part, part.last, part.content, part.content_type, part.error) == (0, True, b"", "text/csv", "")
    assert (part.report_id, part.format, part.generated_at_ms) == ("reporte-1", "csv", 7)
    assert (part.event_type, part.schema_version) == ("reporte-generado", 1)


FILAS = 2500


def generado(
    database: FakeDatabase, name: str = "csv", *, most: int = FILAS, heartbeat: Callable[[], None] = lambda: None
) -> Sequence[Event]:
    handler = ReportingHandlers("t", formats(), most, now_ms=lambda: 7, heartbeat=heartbeat)
    with database.transaction() as transaction:
        (outcome,) = handler.generar(transaction, [PEDIDO._replace(format=name)])
    assert isinstance(outcome, Done)
    return outcome.events


def only(events: Sequence[Event]) -> ReporteGenerado:
    (event,) = events
    return ReporteGenerado.FromString(event.payload)


@pytest.fixture
def many() -> FakeDatabase:
    """As many orders as a report may have."""
    database = FakeDatabase(STATEMENTS["reporting"])
    ids = [f"orden-{n:04d}" for n in range(FILAS)]
    database.server.tables["ordenes"] = {each: dict(zip(COLUMNS, ORDEN._replace(id=each), strict=True)) for each in ids}
    return database


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_report_has_no_more_orders_than_it_may(name: str, many: FakeDatabase) -> None:
    assert only(generado(many, name)).content.count(b"orden-") == FILAS
    answer = only(generado(many, name, most=FILAS - 1))
    assert answer.error == (
        "there are more than 2,499 orders, the most that a report may have: read the table ordenes of Reporting's "
        "database, or raise report_max_rows in Reporting's userConfig"
    )
    assert (answer.last, answer.content, answer.report_id) == (True, b"", "reporte-1")


def test_a_long_report_leaves_signs_of_life(many: FakeDatabase) -> None:
    clock, beats = FakeClock(), [1000.0]

    def slowly(row: Row) -> Row:
        clock.now += HANG_LIMIT_S / ORDERS_PER_SIGN / 2
        return row

    class Slow(FakeDatabase):
        def transaction(self) -> OpenTransaction:
            transaction = super().transaction()
            stream = transaction.stream
            transaction.stream = lambda *asked: map(slowly, stream(*asked))  # type: ignore[method-assign]
            return transaction

    generado(Slow({}, many), heartbeat=lambda: beats.append(clock.now))
    beats.append(clock.now)
    assert clock.now - beats[0] > HANG_LIMIT_S
    assert max(later - earlier for earlier, later in pairwise(beats)) < HANG_LIMIT_S


def test_an_unknown_format_is_answered_with_those_there_are() -> None:
    answer = only(generado(FakeDatabase({}), "xml"))
    assert answer.error == "there is no report format 'xml'; there are: csv, json"
    assert (answer.last, answer.content, answer.report_id) == (True, b"", "reporte-1")


def actualizada(**more: object) -> bytes:
    fields: dict[str, object] = {"id": "orden-1", "client_id": 42, "status": "aprobada", "total_cents": 1250}
    fields |= {"currency": "USD", "version": 2, "created_at_ms": ORDEN.created_at_ms}
    fields |= {"updated_at_ms": ORDEN.updated_at_ms, **more}
    return OrdenActualizada(**fields).SerializeToString()  # type: ignore[arg-type]


def test_an_updated_order_is_taken_in_full() -> None:
    assert messages.decode_orden_actualizada(arrived(actualizada())) == ORDEN


@pytest.mark.parametrize("sixth", [False, True], ids=["fields 1-5", "fields 1-6"])
def test_the_first_services_order_is_taken_with_what_ordenes_would_derive(sixth: bool) -> None:
    decoded = messages.decode_orden_actualizada(arrived(seed_order(sixth=sixth, status="aprobada")))
    total = rules.derived_total_cents("orden-1")
    assert decoded == Cambio("orden-1", 42, "aprobada", total, "USD", 1, PUBLISHED_MS, PUBLISHED_MS)


@pytest.mark.parametrize(
    ("field", "payload"),
    [
        *[("id", actualizada(id=bad)) for bad in ("", "a b", "ñ", "a" * 129, "a\n")],
        *[("status", actualizada(status=bad)) for bad in ("", "creada", "Aprobada")],
        ("total_cents", actualizada(total_cents=-1)),
        ("currency", actualizada(currency="usd")),
        ("created_at_ms", actualizada(created_at_ms=-1)),
        ("created_at_ms", actualizada(created_at_ms=rules.LAST_TIME_MS + 1)),
        ("updated_at_ms", actualizada(updated_at_ms=-1)),
        ("updated_at_ms", actualizada(updated_at_ms=rules.LAST_TIME_MS + 1)),
    ],
)
def test_an_invalid_order_is_refused_with_the_fields_name(field: str, payload: bytes) -> None:
    with pytest.raises(InvalidMessage, match=rf"^{field} "):
        messages.decode_orden_actualizada(arrived(payload))


@pytest.mark.parametrize("bad", ["", "a b", "a" * 129])
def test_a_report_without_a_proper_id_is_refused(bad: str) -> None:
    with pytest.raises(InvalidMessage, match=r"^report_id "):
        messages.decode_generar_reporte(arrived(text(1, bad) + text(2, "csv")))


def test_a_report_is_asked_for_by_id_and_format() -> None:
    assert messages.decode_generar_reporte(arrived(text(1, "reporte-1") + text(2, "csv"))) == PEDIDO
    assert len(messages.decode_generar_reporte(arrived(text(1, "r") + text(2, "x" * 5000))).format) == 100


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"not protobuf", b"\x0a\x05ab", text(1, b"\xff\xfe")])
def test_bytes_that_are_no_message_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidMessage, match="not a OrdenActualizada"):
        messages.decode_orden_actualizada(arrived(payload))
    with pytest.raises(InvalidMessage, match="not a GenerarReporte"):
        messages.decode_generar_reporte(arrived(payload))


@given(payload=st.binary(max_size=60))
def test_any_bytes_are_a_message_or_invalid_and_nothing_else(payload: bytes) -> None:
    for decode in (messages.decode_orden_actualizada, messages.decode_generar_reporte):
        try:
            decode(arrived(payload))
        except InvalidMessage:
            continue


def test_an_order_that_is_only_recorded_is_no_update() -> None:
    with pytest.raises(InvalidMessage, match=r"^status "):
        messages.decode_orden_actualizada(arrived(seed_order(status="creada") + whole(14, 1)))


def test_another_event_among_the_updates_is_refused() -> None:
    with pytest.raises(InvalidMessage, match="event_type is 'orden-creada'"):
        messages.decode_orden_actualizada(arrived(actualizada(event_type="orden-creada")))
