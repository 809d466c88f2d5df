"""What people open: spreadsheets and pages."""

import io
import json
import re
import tracemalloc
from collections.abc import Mapping, Sequence

import pytest
from openpyxl import load_workbook

from functions.reporting.formats import Table, formats, xlsx
from schemas.tienda import rules
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import periodo
from tests.unit.services.sample_reports import BIGINT, NUMERIC, TEXT, report_of, table

ORDEN = Cambio("orden-1", 42, "aprobada", 1250, "USD", 2, 1_767_225_600_123, 1_767_225_601_456)
HOSTILE = ["=1+1", "+1", "-1+2", "@SUM(A1)", "000123", "1e5", "12345678901234567890", "2026-11-01", "{=1}", "http://x"]


def sheets(*ordenes: Cambio) -> dict[str, list[Sequence[object]]]:
    content = b"".join(formats()["xlsx"].render(report_of(*ordenes)))
    book = load_workbook(io.BytesIO(content), read_only=True)
    return {name: [tuple(cell.value for cell in row) for row in book[name].iter_rows()] for name in book.sheetnames}


def test_a_spreadsheet_keeps_texts_as_texts_and_numbers_as_numbers() -> None:
    content = b"".join(formats()["xlsx"].render(report_of(*(ORDEN._replace(id=each) for each in HOSTILE))))
    rows = list(load_workbook(io.BytesIO(content))["orders 1"].iter_rows(min_row=2))
    assert [(row[0].value, row[0].data_type) for row in rows] == [(each, "s") for each in HOSTILE]
    assert all(row[0].hyperlink is None for row in rows)
    assert [(cell.value, cell.data_type) for cell in rows[0][1:5]] == [
        (42, "n"),
        ("aprobada", "s"),
        (1250, "n"),
        ("USD", "s"),
    ]
    assert (rows[0][7].value, rows[0][9].value) == ("2026-01-01T00:00:00.123+00:00", 12.5)


def test_a_number_that_excel_would_round_is_a_text_in_a_spreadsheet() -> None:
    (_, row) = sheets(ORDEN._replace(total_cents=2**62))["orders 1"]
    assert (row[3], row[9]) == (str(2**62), "46116860184273879.04")


def test_a_spreadsheet_goes_on_on_another_sheet_at_excels_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 4)
    found = sheets(*(ORDEN._replace(id=f"o{n}") for n in range(7)))
    assert list(found) == ["orders 1", "orders 2", "orders 3", "totals", "about"]
    assert [row[0] for name in list(found)[:3] for row in found[name]] == [
        *("id", "o0", "o1", "o2"),
        *("id", "o3", "o4", "o5"),
        *("id", "o6"),
    ]
    assert found["totals"][1] == ("aprobada", "USD", 7, 8750, 87.5)
    assert list(sheets()) == ["orders 1", "totals", "about"]


def test_the_sheets_of_a_kind_with_a_long_name_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 2)
    content = b"".join(formats()["xlsx"].render(report_of(ORDEN, ORDEN, kind="k" * 40)))
    assert load_workbook(io.BytesIO(content)).sheetnames[:2] == [f"{'k' * 24} 1", f"{'k' * 24} 2"]


def test_a_text_that_a_cell_cannot_hold_is_refused_and_not_cut() -> None:
    assert sheets(ORDEN._replace(id="x" * 32_767))["orders 1"][1][0] == "x" * 32_767
    with pytest.raises(ValueError, match=r"^the column id has a text of 32,768 characters"):
        sheets(ORDEN._replace(id="x" * 32_768))


def page(*ordenes: Cambio) -> str:
    return b"".join(formats()["html"].render(report_of(*ordenes))).decode()


def test_a_page_is_one_file_below_a_megabyte_and_says_how_many_rows_are_left_out() -> None:
    text = page(*(ORDEN._replace(id=f"{n:0128d}", total_cents=2**63 - 1 - n) for n in range(1_300)))
    assert len(text.encode()) < 1_000_000
    assert "300 more are left out" in text
    assert text.count("<svg") == 3
    assert "<script" not in text
    for elsewhere in ("src=", "href=", "@import", "url("):
        assert elsewhere not in text.replace("xlink:href", "")


def test_a_page_escapes_what_it_shows() -> None:
    text = page(ORDEN._replace(id="<script>alert(1)</script>\u202e\x1b", currency="<b>"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;\\u202e\\x1b" in text
    assert "<b>" not in text


@pytest.mark.parametrize("name", ["html", "json", "markdown", "xlsx"])
def test_a_report_that_no_totals_belong_to_has_none(name: str) -> None:
    alone = report_of(ORDEN)._replace(related=lambda _name: Table((), iter(())))
    content = b"".join(formats()[name].render(alone))
    if name == "xlsx":
        assert load_workbook(io.BytesIO(content)).sheetnames == ["orders 1", "about"]
    elif name == "json":
        assert json.loads(content)["totals"] is None
    else:
        assert not re.search(r"Totals|Orders</dt>", content.decode())


def test_a_page_without_orders_has_no_plot() -> None:
    assert page().count("<svg") == 0


@pytest.mark.parametrize("created_at_ms", [1, rules.LAST_TIME_MS])
def test_a_clock_that_is_decades_off_makes_no_page_of_a_million_days(created_at_ms: int) -> None:
    assert len(page(*(ORDEN._replace(created_at_ms=created_at_ms if n else 1) for n in range(5)))) < 1_000_000


def hours_page(zone: str, *counts: tuple[int, int]) -> str:
    """Return the page of a report with so many orders in the hours that begin at these Unix ms."""
    covered = periodo(tz=zone)
    report = report_of(ORDEN, of=covered)
    names = [("status", TEXT), ("currency", TEXT), ("orders", BIGINT), ("total_cents", NUMERIC)]

    def related(name: str) -> Table:
        if name in {"by-status", "service-levels"}:
            return report.related(name)
        rows = [(at_ms, "aprobada", "USD", orders, 1) for at_ms, orders in counts]
        return table([(f"{name.removeprefix('by-')}_at_ms", BIGINT), *names], rows, covered)

    return b"".join(formats()["html"].render(report._replace(related=related))).decode()


def test_an_hour_that_comes_twice_is_two_on_a_page() -> None:
    first = 1_793_509_200_000  # 2026-11-01T01:00-04:00 in New York, where the clocks are set back at 02:00
    text = hours_page("America/New_York", (first, 10), (first + 3_600_000, 3), (first + 7_200_000, 2))
    assert "From 2026-11-01 01:00-04:00 to 2026-11-01 02:00, at most 10 orders by hour." in text
    assert re.findall(r'<desc class="value">(\d+)</desc>', text)[:3] == ["10", "3", "2"]
    assert "11-01 01:00-05:00" in text


def test_hours_without_an_order_are_where_the_clocks_have_them() -> None:
    # 01:00+11:00 on 2026-04-05 in Lord Howe, where the clocks are set back by half an hour at 02:00.
    before = 1_775_311_200_000
    text = hours_page("Australia/Lord_Howe", (before, 1), (before + 3 * 3_600_000 + 1_800_000, 5))
    assert re.findall(r'<desc class="value">(\d+)</desc>', text)[:5] == ["1", "0", "0", "0", "5"]
    assert "From 2026-04-05 01:00 to 2026-04-05 04:00, at most 5 orders by hour." in text


def test_a_long_history_of_service_levels_is_joined_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(ORDEN)
    names = ("minute_at_ms", "orders", "p50_ms", "p95_ms", "p99_ms", "clock_ahead")
    levels = [(name, BIGINT) for name in names]
    drawn: list[Mapping[str, Sequence[float]]] = []

    def lines(_labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
        drawn.append(series)
        return ""

    monkeypatch.setattr("functions.reporting.formats._plots.lines", lines)

    def page_of(minutes: int) -> tuple[str, int]:
        rows = ((n * 60_000, 1, 10 + 2 * (n % 2), 20 + n, 30 + n, 0) for n in range(minutes))

        def related(name: str) -> Table:
            return table(levels, rows, report.periodo) if name == "service-levels" else report.related(name)

        tracemalloc.start()
        text = b"".join(formats()["html"].render(report._replace(related=related))).decode()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return text, peak

    (_, few), (text, many) = page_of(100), page_of(20_000)
    assert many < few + 500_000
    assert "From 1970-01-01 00:00 to 1970-01-14 20:48; the highest 99th percentile is 20,029 ms." in text
    assert drawn[-1]["p50"] == [11] * 40
    assert drawn[-1]["p99"] == [*(541 + 512 * n for n in range(39)), 20_029]


def test_every_kind_has_its_own_page() -> None:
    report = report_of(ORDEN)
    shown = b"".join(formats()["html"].render(report._replace(name="by-day", table=report.related("by-day"))))
    assert b"<h1>by-day</h1>" in shown
    assert periodo().zone.key.encode() in shown
