"""Reporting: what it accepts, its formats, and the parts of a report."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

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
from schemas.tienda import money, rules
from schemas.tienda.cambios import Cambio
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.periodo import Periodo, periodo
from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado
from tests.fakes import FakeDatabase
from tests.fields import text, whole
from tests.simulation.server import OpenTransaction
from tests.simulation.statements import ORDEN as COLUMNS
from tests.simulation.statements import STATEMENTS
from tests.unit.services.wire import PUBLISHED_MS, arrived, seed_order

ORDEN = Cambio("orden-1", 42, "aprobada", 1250, "USD", 2, 1_767_225_600_123, 1_767_225_601_456)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
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


def rendered(format_name: str, *ordenes: Cambio, of: Periodo | None = None) -> bytes:
    report = Report(1_767_225_700_000, of or periodo(), iter(ordenes))
    return b"".join(formats()[format_name].render(report))


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
    for row, orden in zip(rows, ordenes, strict=True):
        assert row == {name: str(value) for name, value in orden._asdict().items() if name != "version"} | {
            "created_at": read_back(row["created_at"], orden.created_at_ms),
            "updated_at": read_back(row["updated_at"], orden.updated_at_ms),
            "total": money.total(orden.total_cents, orden.currency),
        }


def read_back(text: str, milliseconds: int) -> str:
    """Return a time's text, which must say exactly that time."""
    moment = datetime.fromisoformat(text)
    assert (moment - EPOCH) / timedelta(milliseconds=1) == milliseconds
    return text


@given(ordenes=st.lists(ORDENES, max_size=5))
def test_a_json_report_reads_back_as_the_same_orders_with_their_totals(ordenes: list[Cambio]) -> None:
    report = json.loads(rendered("json", *ordenes))
    for row, orden in zip(report["orders"], ordenes, strict=True):
        read_back(row.pop("created_at"), orden.created_at_ms)
        read_back(row.pop("updated_at"), orden.updated_at_ms)
        assert row.pop("total") == money.total(orden.total_cents, orden.currency)
        assert Cambio(**row) == orden
    assert report["generated_at_ms"] == 1_767_225_700_000
    orders, cents = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for orden in ordenes:
        orders[orden.status, orden.currency] += 1
        cents[orden.status, orden.currency] += orden.total_cents
    totals = {(status, currency): each for status, some in report["totals"].items() for currency, each in some.items()}
    assert {key: each["orders"] for key, each in totals.items()} == orders
    assert {key: each["total_cents"] for key, each in totals.items()} == cents
    assert all(each["total"] == money.total(each["total_cents"], key[1]) for key, each in totals.items())


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_report_without_orders_is_a_whole_report(name: str) -> None:
    content = rendered(name)
    if name == "csv":
        assert content == (
            b"id,client_id,status,total_cents,currency,created_at_ms,updated_at_ms,created_at,updated_at,total\r\n"
        )
    else:
        assert json.loads(content) == {
            "generated_at_ms": 1_767_225_700_000,
            "generated_at": "2026-01-01T00:01:40.000+00:00",
            "from": None,
            "to": None,
            "tz": "UTC",
            "by": "created",
            "orders": [],
            "totals": {},
        }


def test_a_report_shows_times_in_its_zone_and_says_what_it_covers() -> None:
    of = periodo("2025-12-31", "2026-01-01", "America/Mexico_City", "updated")
    (row,) = csv.DictReader(io.StringIO(rendered("csv", ORDEN, of=of).decode(), newline=""))
    assert (row["created_at"], row["created_at_ms"]) == ("2025-12-31T18:00:00.123-06:00", "1767225600123")
    assert (row["updated_at"], row["updated_at_ms"]) == ("2025-12-31T18:00:01.456-06:00", "1767225601456")
    report = json.loads(rendered("json", ORDEN, of=of))
    assert report["orders"][0]["updated_at"] == row["updated_at"]
    assert (report["from"], report["to"]) == ("2025-12-31T00:00:00.000-06:00", "2026-01-01T00:00:00.000-06:00")
    assert (report["tz"], report["by"]) == ("America/Mexico_City", "updated")


def test_a_time_that_is_past_the_calendar_in_its_zone_is_shown_in_utc() -> None:
    last = ORDEN._replace(created_at_ms=rules.LAST_TIME_MS)
    assert b",9999-12-31T23:59:59.999+00:00," in rendered("csv", last, of=periodo(tz="Asia/Kathmandu"))


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_format_holds_no_more_than_a_few_orders_at_a_time(name: str) -> None:
    taken = 0

    def counted() -> Iterator[Cambio]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield ORDEN

    for number, _piece in enumerate(formats()[name].render(Report(1, periodo(), counted()))):
        assert taken <= number + 3


def parts(pedido: Pedido, *pieces: bytes) -> list[ReporteGenerado]:
    of = periodo("2026-01-01", tz="America/Bogota")
    events = list(messages.reporte_parts("t", pedido, 7, of, "text/csv", pieces))
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
    assert {part.from_ms for part in made} == {1_767_243_600_000}
    assert {(part.HasField("to_ms"), part.tz, part.by) for part in made} == {(False, "America/Bogota", "created")}


def test_a_report_without_content_is_one_part() -> None:
    (part,) = parts(PEDIDO)
    assert (part.part, part.last, part.content, part.content_type, part.error) == (0, True, b"", "text/csv", "")
    assert (part.report_id, part.format, part.generated_at_ms) == ("reporte-1", "csv", 7)
    assert (part.event_type, part.schema_version) == ("reporte-generado", 1)


FILAS = 2500


def generado(
    database: FakeDatabase,
    name: str = "csv",
    *,
    most: int = FILAS,
    heartbeat: Callable[[], None] = lambda: None,
    pedido: Pedido = PEDIDO,
) -> Sequence[Event]:
    handler = ReportingHandlers("t", formats(), most, now_ms=lambda: 7, heartbeat=heartbeat)
    with database.transaction() as transaction:
        (outcome,) = handler.generar(transaction, [pedido._replace(format=name)])
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
    assert sum(event.payload.count(b"orden-") for event in generado(many, name)) == FILAS
    answer = only(generado(many, name, most=FILAS - 1))
    assert answer.error == (
        "there are more than 2,499 orders, the most that a report may have: ask for a shorter period, read the table "
        "ordenes of Reporting's database, or raise report_max_rows in Reporting's userConfig"
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


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"tz": "bogotá"}, "there is no time zone 'bogotá'; did you mean America/Bogota?"),
        (
            {"tz": "../../etc/passwd"},
            "there is no time zone '../../etc/passwd'; write an IANA name, such as America/Bogota or UTC",
        ),
        ({"by": "accepted"}, "by is 'accepted', must be created or updated"),
        ({"start": "yesterday"}, "'yesterday' is no date or time in ISO 8601"),
        ({"start": "2026-01-02", "end": "2026-01-01"}, "no time lies between from (2026-01-02) and to (2026-01-01)"),
    ],
)
def test_a_period_that_is_none_is_answered_with_what_would_be_one(asked: dict[str, Any], why: str) -> None:
    answer = only(generado(FakeDatabase({}), pedido=PEDIDO._replace(**asked)))
    assert answer.error.startswith(why)
    assert (answer.last, answer.content, answer.tz) == (True, b"", "")


def test_only_the_orders_of_the_period_count_towards_the_most(many: FakeDatabase) -> None:
    for row in list(many.server.tables["ordenes"].values())[:10]:
        row["created_at"] = 1_767_225_600_122
    asked = PEDIDO._replace(start="2026-01-01T00:00:00.122Z", end="2026-01-01T00:00:00.123Z")
    answer = only(generado(many, most=10, pedido=asked))
    assert answer.content.count(b"orden-") == 10
    assert "more than 9 orders" in only(generado(many, most=9, pedido=asked)).error


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
    total = derived_total_cents("orden-1")
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
    period = text(3, "2026-01-01") + text(4, "2026-02-01") + text(5, "America/Bogota") + text(6, "updated")
    decoded = messages.decode_generar_reporte(arrived(text(1, "reporte-1") + text(2, "csv") + period))
    assert decoded == PEDIDO._replace(start="2026-01-01", end="2026-02-01", tz="America/Bogota", by="updated")


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
