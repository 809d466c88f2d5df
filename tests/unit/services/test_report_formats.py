"""What people open: spreadsheets and pages."""

import io
from collections.abc import Sequence

import pytest
from openpyxl import load_workbook

from functions.reporting.formats import formats, xlsx
from schemas.tienda import rules
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import periodo
from tests.unit.services.sample_reports import report_of

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


def test_a_page_without_orders_has_no_plot() -> None:
    assert page().count("<svg") == 0


@pytest.mark.parametrize("created_at_ms", [1, rules.LAST_TIME_MS])
def test_a_clock_that_is_decades_off_makes_no_page_of_a_million_days(created_at_ms: int) -> None:
    assert len(page(*(ORDEN._replace(created_at_ms=created_at_ms if n else 1) for n in range(5)))) < 1_000_000


def test_every_kind_has_its_own_page() -> None:
    report = report_of(ORDEN)
    shown = b"".join(formats()["html"].render(report._replace(name="by-day", table=report.related("by-day"))))
    assert b"<h1>by-day</h1>" in shown
    assert periodo().zone.key.encode() in shown
