"""Reporting: what it accepts, its formats, and the parts of a report."""

import csv
import hashlib
import io
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import Done, InvalidMessage
from functions.reporting import formats as package
from functions.reporting import messages
from functions.reporting.domain import Pedido
from functions.reporting.formats import formats
from functions.reporting.handlers import ReportingHandlers
from functions.reporting.making import catalogue, columns
from functions.reporting.making.errors import ReportRefused
from functions.reporting.making.frames import Frame, Frames, Unframed
from functions.reporting.making.frames import Kind as FrameKind
from functions.reporting.making.kinds import SQL, kinds, parameters
from schemas.tienda import money, rules
from schemas.tienda.cambios import Cambio
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.periodo import Periodo, periodo
from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from schemas.tienda.v1.reporting_pb2 import GenerarReporte, ReporteGenerado
from tests.fakes import FakeDatabase
from tests.fields import text, whole
from tests.unit.services.sample_reports import NUMERIC, TEXT, orders_table, report_of
from tests.unit.services.wire import PUBLISHED_MS, arrived, seed_order

KINDS = SQL / "reports"
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


def rendered(name: str, *ordenes: Cambio, of: Periodo | None = None, kind: str = "orders") -> bytes:
    return b"".join(formats()[name].render(report_of(*ordenes, of=of or periodo(), kind=kind)))


def test_the_formats_are_those_of_the_package() -> None:
    assert {name: one.content_type for name, one in formats().items() if not one.problem} == {
        "csv": "text/csv",
        "csv-excel": "text/csv",
        "html": "text/html; charset=utf-8",
        "json": "application/json",
        "markdown": "text/markdown",
        "ndjson": "application/x-ndjson",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }


def test_a_new_format_is_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "count.py").write_text(
        'CONTENT_TYPE = "text/plain"\n\ndef render(report):\n    yield b"%d" % len(list(report.table.rows))\n'
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    assert formats()["count"].content_type == "text/plain"
    assert rendered("count", ORDEN, ORDEN) == b"2"


def test_a_format_whose_library_is_missing_or_broken_is_a_problem_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lacking.py").write_text("import a_library_that_nobody_has\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('no luck')\n")
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    found = formats()
    assert found["lacking"].problem == (
        "the Python of the function worker lacks a_library_that_nobody_has: install it there, from "
        "requirements/reports.txt"
    )
    assert found["broken"].problem == "it can't be loaded: RuntimeError: no luck"
    assert not found["csv"].problem


def test_a_new_kind_is_a_new_file(tmp_path: Path) -> None:
    shutil.copytree(KINDS, tmp_path / "reports")
    (tmp_path / "reports" / "top_clients.sql").write_text(
        "-- Clients.\n-- name: top_clients\nSELECT client_id FROM pedidas WHERE total_cents > %(least)s::bigint\n"
    )
    added = kinds(tmp_path / "reports")["top-clients"]
    assert (added.about, added.filters) == ("Clients.", ("client_id", "currency", "least", "status"))


def test_a_file_that_is_no_kind_says_why_and_harms_no_other(tmp_path: Path) -> None:
    (tmp_path / "fine.sql").write_text("-- name: fine\nSELECT id FROM pedidas\n")
    (tmp_path / "nameless.sql").write_text("SELECT id FROM pedidas\n")
    (tmp_path / "two_of_them.sql").write_text("-- name: one\nSELECT 1\n-- name: two\nSELECT 2\n")
    (tmp_path / "latin.sql").write_bytes("-- Año.\n-- name: latin\nSELECT 1\n".encode("latin-1"))
    (tmp_path / "dangling.sql").symlink_to(tmp_path / "none.sql")
    found = kinds(tmp_path)
    assert not found["fine"].problem
    assert found["nameless"].problem == "nameless.sql: no line '-- name: …' in it"
    assert found["two-of-them"].problem == "two_of_them.sql: it has 2 queries; a report is one"
    assert found["latin"].problem.startswith("latin.sql: it isn't UTF-8: ")
    assert found["dangling"].problem.startswith("dangling.sql can't be read: ")
    listed = {row[1]: row[4] for row in catalogue.table(found, {}).rows}
    assert listed == {name: kind.problem for name, kind in found.items()}


def test_every_kind_says_what_it_lists() -> None:
    assert list(kinds()) == ["by-day", "by-hour", "by-status", "orders", "payments", "service-levels"]
    assert all(kind.about.endswith(".") for kind in kinds().values())
    assert {kind.filters for kind in kinds().values()} == {("client_id", "currency", "status")}


def values_of(described: Mapping[str, int], *row: object) -> Sequence[Any]:
    """Return a row that a query gives, with its columns' names and types by their number in PostgreSQL."""
    (values,) = columns.values(list(described.items()), [row], ZoneInfo("UTC"))
    return values


def test_a_number_that_a_query_gives_is_whole_or_refused() -> None:
    cents = {"mean_cents": NUMERIC, "currency": TEXT}
    assert values_of(cents, Decimal("12.00"), "USD") == [12, "USD", "0.12"]
    assert values_of(cents | {"mean_cents": 701}, 12.6, "USD") == [12.6, "USD", "0.13"]
    assert values_of({"ended_at_ms": NUMERIC}, Decimal(5)) == [5, "1970-01-01T00:00:00.005+00:00"]
    with pytest.raises(ValueError, match=r"^the column mean_cents has 12\.5, no whole number: round it in the query"):
        values_of(cents, Decimal("12.5"), "USD")


def test_what_is_neither_a_number_nor_a_text_is_a_text_in_every_format() -> None:
    described = {"day": 1082, "late": 16, "none": 1082}
    assert values_of(described, date(2026, 11, 1), True, None) == ["2026-11-01", "True", None]


def test_a_filter_is_a_parameter_and_never_part_of_the_query() -> None:
    kind = kinds()["orders"]
    values = parameters(kind, periodo("2026-01-01", by="updated"), {"client_id": "x' OR true --"})
    assert values["client_id"] == "x' OR true --"
    assert (values["currency"], values["updated_from_ms"], values["created_from_ms"]) == (None, 1_767_225_600_000, None)
    with pytest.raises(ReportRefused, match="no filter 'shop'; there are: client_id, currency, status"):
        parameters(kind, periodo(), {"shop": "1"})


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
def test_json_and_ndjson_reports_read_back_as_the_same_orders(ordenes: list[Cambio]) -> None:
    lines = [json.loads(line) for line in rendered("ndjson", *ordenes).splitlines()]
    report = json.loads(rendered("json", *ordenes))
    assert lines == report["orders"]
    for row, orden in zip(lines, ordenes, strict=True):
        read_back(row.pop("created_at"), orden.created_at_ms)
        read_back(row.pop("updated_at"), orden.updated_at_ms)
        assert row.pop("total") == money.total(orden.total_cents, orden.currency)
        assert Cambio(**row) == orden
    totals = {(status, currency): each for status, some in report["totals"].items() for currency, each in some.items()}
    for (status, currency), each in totals.items():
        of = [orden.total_cents for orden in ordenes if (orden.status, orden.currency) == (status, currency)]
        assert each == {"orders": len(of), "total_cents": sum(of), "total": money.total(sum(of), currency)}
    assert set(totals) == {(orden.status, orden.currency) for orden in ordenes}


@pytest.mark.parametrize("name", ["csv", "json"])
def test_a_report_without_orders_is_a_whole_report(name: str) -> None:
    content = rendered(name)
    if name == "csv":
        assert content == (
            b"id,client_id,status,total_cents,currency,created_at_ms,updated_at_ms,created_at,updated_at,total\r\n"
        )
    else:
        assert json.loads(content) == {
            "report": "orders",
            "generated_at_ms": 1_767_225_700_000,
            "generated_at": "2026-01-01T00:01:40.000+00:00",
            "from": None,
            "to": None,
            "tz": "UTC",
            "by": "created",
            "filters": {},
            "orders": [],
            "totals": {},
        }


@pytest.mark.parametrize("kind", ["totals", "filters"])
def test_json_refuses_rows_under_a_name_that_it_uses_itself(kind: str) -> None:
    with pytest.raises(ValueError, match=rf"^JSON has something else under {kind}: give the kind another name"):
        rendered("json", ORDEN, kind=kind)


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


@pytest.mark.parametrize("name", ["csv", "csv-excel", "json", "ndjson"])
def test_a_format_holds_no_more_than_a_few_orders_at_a_time(name: str) -> None:
    taken = 0

    def counted() -> Iterator[Cambio]:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield ORDEN

    report = report_of()
    of_orders = report._replace(table=orders_table(counted(), periodo()))
    for number, _piece in enumerate(formats()[name].render(of_orders)):
        assert taken <= number + 3


HOSTILE = [
    "=1+1",
    "+1",
    "-1+2",
    "@SUM(A1)",
    "000123",
    "1e5",
    "12345678901234567890",
    "2026-11-01",
    "1-2",
    "TRUE",
    "WAHR",
    "Faux",
    "MAR1",
]


def test_plain_csv_keeps_every_value_unchanged() -> None:
    listed = rendered("csv", *(ORDEN._replace(id=each) for each in HOSTILE)).decode()
    assert [row["id"] for row in csv.DictReader(io.StringIO(listed, newline=""))] == HOSTILE


def test_the_csv_for_excel_has_nothing_that_excel_computes_or_converts() -> None:
    content = rendered("csv-excel", *(ORDEN._replace(id=each, total_cents=2**62) for each in HOSTILE))
    assert content.startswith(b"\xef\xbb\xbfid;client_id;")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))
    assert [row["id"] for row in rows] == [f"'{each}" for each in HOSTILE]
    assert rows[0]["total_cents"] == f"'{2**62}"
    (plain,) = csv.DictReader(io.StringIO(rendered("csv-excel", ORDEN).decode("utf-8-sig")), delimiter=";")
    assert (plain["total"], plain["total_cents"], plain["status"]) == ("12,50", "1250", "aprobada")


def test_markdown_shows_totals_and_at_most_a_thousand_rows_and_says_how_many_are_left_out() -> None:
    text = rendered("markdown", *(ORDEN._replace(id=f"o{n:04d}") for n in range(1234))).decode()
    assert "## Totals" in text
    assert "| aprobada | USD      |   1234 | 15425.00 |" in text
    assert (len(re.findall(r"\| o\d", text)), "234 more rows are left out" in text) == (1000, True)


def test_markdown_shows_hidden_and_steering_characters_as_their_numbers() -> None:
    text = rendered("markdown", ORDEN._replace(id="a\u202eb\u200b|\x1b[2J\n")).decode()
    assert "a\\\\u202eb\\\\u200b\\|\\\\x1b[2J\\\\n" in text
    assert not set(text) & {"\u202e", "\u200b", "\x1b"}


def parts(pedido: Pedido, *pieces: bytes) -> list[ReporteGenerado]:
    made = messages.Parts("t", pedido, 7, periodo("2026-01-01", tz="America/Bogota"))
    made.content_type = "text/csv"
    events = [*map(made.part, pieces[:-1]), made.last(b"".join(pieces[-1:]))]
    assert {(event.topic, event.key) for event in events} == {("t", pedido.report_id)}
    return [ReporteGenerado.FromString(event.payload) for event in events]


@given(sizes=st.lists(st.integers(0, 4000), max_size=12))
def test_the_parts_of_a_report_are_the_report(sizes: list[int]) -> None:
    pieces = [bytes([65 + n]) * size for n, size in enumerate(sizes)]
    made = parts(PEDIDO, *pieces)
    whole = b"".join(part.content for part in made)
    assert whole == b"".join(pieces)
    assert [part.part for part in made] == list(range(len(made)))
    assert [part.last for part in made] == [False] * (len(made) - 1) + [True]
    assert (made[-1].content_bytes, made[-1].sha256) == (len(whole), hashlib.sha256(whole).digest())
    assert len({part.event_id for part in made}) == len(made)
    assert {part.from_ms for part in made} == {1_767_243_600_000}
    assert {(part.HasField("to_ms"), part.tz, part.by) for part in made} == {(False, "America/Bogota", "created")}


def test_a_report_without_content_is_one_part() -> None:
    (part,) = parts(PEDIDO)
    assert (part.part, part.last, part.content, part.content_type, part.error) == (0, True, b"", "text/csv", "")
    assert (part.report_id, part.format, part.report, part.generated_at_ms) == ("reporte-1", "csv", "orders", 7)
    assert (part.event_type, part.schema_version) == ("reporte-generado", 1)


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
    with FakeDatabase({}).transaction() as transaction:
        (outcome,) = ReportingHandlers("t").generar(transaction, [PEDIDO._replace(**asked)])
    assert isinstance(outcome, Done)
    answer = ReporteGenerado.FromString(outcome.events[0].payload)
    assert answer.error.startswith(why)
    assert (answer.last, answer.content, answer.tz) == (True, b"", "")


@given(chunks=st.lists(st.integers(1, 50), max_size=30))
def test_frames_come_out_as_they_went_in_however_they_are_cut(chunks: list[int]) -> None:
    sent = [Frame(FrameKind.CONTENT_TYPE, b"text/csv"), Frame(FrameKind.CONTENT, b"x" * 90), Frame(FrameKind.WHOLE)]
    data, parser, found = b"".join(frame.encoded() for frame in sent), Frames(), list[Frame]()
    for size in chunks:
        found += parser.add(data[:size])
        data = data[size:]
    assert found + parser.add(data) == sent
    with pytest.raises(Unframed, match="is no frame"):
        Frames().add(b"Traceback (most recent call last)")


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
    kind = GenerarReporte(report_id="reporte-1", format="csv", report="by-day", filters={"status": "aprobada"})
    asked = messages.decode_generar_reporte(arrived(kind.SerializeToString()))
    assert asked == PEDIDO._replace(report="by-day", filters=(("status", "aprobada"),))


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
