"""Putting a report together from its parts."""

import hashlib
import io
import itertools
from typing import Any

import pytest

from client.errors import ReportRefusedError
from client.reports import Wish, command
from client.spool import Asked, Spool
from schemas.tienda.periodo import Periodo, periodo
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado


def _part(number: int, *, last: bool = False, made_at_ms: int = 1, report_id: str = "r") -> ReporteGenerado:
    content = f"{made_at_ms}.{number};".encode()
    return ReporteGenerado(report_id=report_id, part=number, last=last, generated_at_ms=made_at_ms, content=content)


def _spool(of: Periodo | None = None, **more: Any) -> Spool:
    return Spool(Asked("r", of or periodo(), **more))


def _content(spool: Spool) -> bytes:
    file = io.BytesIO()
    assert spool.write(file) == len(file.getvalue())
    return file.getvalue()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_parts_come_in_any_order(order: tuple[int, ...]) -> None:
    spool = _spool()
    assert [spool.take(_part(number, last=number == 2)) for number in order] == [False, False, True]
    assert _content(spool) == b"1.0;1.1;1.2;"


def test_a_part_that_comes_twice_is_taken_once() -> None:
    spool = _spool()
    assert not spool.take(_part(0))
    assert not spool.take(_part(0))
    assert spool.take(_part(1, last=True))
    assert _content(spool) == b"1.0;1.1;"


def test_parts_of_two_makings_are_never_mixed() -> None:
    spool = _spool()
    assert not spool.take(_part(0, made_at_ms=1))
    assert not spool.take(_part(1, made_at_ms=2, last=True))
    assert spool.take(_part(0, made_at_ms=2))
    assert _content(spool) == b"2.0;2.1;"


def test_another_report_is_passed_over() -> None:
    assert not _spool().take(_part(0, last=True, report_id="other"))


def test_an_empty_report_is_a_report() -> None:
    spool = _spool()
    assert spool.take(ReporteGenerado(report_id="r", last=True, generated_at_ms=1))
    assert _content(spool) == b""


def test_what_reporting_says_against_it_is_passed_on() -> None:
    spool = _spool()
    assert not spool.take(_part(0))
    with pytest.raises(ReportRefusedError, match="xml is none of csv, json"):
        spool.take(ReporteGenerado(report_id="r", part=1, last=True, error="xml is none of csv, json"))
    with pytest.raises(ValueError, match="isn't whole"):
        _content(spool)


@pytest.mark.parametrize("wrong", [{"content_bytes": 8}, {"sha256": b"0" * 32}])
def test_a_report_that_differs_from_what_was_made_is_never_taken_for_whole(wrong: dict[str, Any]) -> None:
    right = {"content_bytes": 9, "sha256": hashlib.sha256(b"1.0;other").digest()}
    last = ReporteGenerado(report_id="r", part=1, last=True, generated_at_ms=1, content=b"other")
    whole = _spool()
    assert not whole.take(_part(0))
    assert whole.take(_with(last, **right))
    broken = _spool()
    assert not broken.take(_part(0))
    with pytest.raises(ReportRefusedError, match=r"What arrived differs from what Reporting made: 9 of [89] bytes"):
        broken.take(_with(last, **{**right, **wrong}))


def _with(part: ReporteGenerado, **fields: Any) -> ReporteGenerado:
    changed = ReporteGenerado(**fields)
    changed.MergeFrom(part)
    return changed


def test_orders_are_refused_where_another_report_or_a_filter_was_asked_for() -> None:
    of_an_old_reporting = ReporteGenerado(report_id="r", last=True, generated_at_ms=1, content=b"x")
    for more in ({"report": "by-day"}, {"filtered": True}):
        with pytest.raises(ReportRefusedError, match="of a version that lists orders alone"):
            _spool(**more).take(of_an_old_reporting)
    with pytest.raises(ReportRefusedError, match="made the report payments, not by-day"):
        _spool(report="by-day").take(_with(of_an_old_reporting, report="payments"))


DAY = periodo("2026-11-01", "2026-11-02", "America/New_York", "updated")


def _of_a_period(**changes: Any) -> ReporteGenerado:
    fields: dict[str, Any] = {"from_ms": DAY.from_ms, "to_ms": DAY.to_ms, "tz": "America/New_York", "by": "updated"}
    return ReporteGenerado(report_id="r", last=True, generated_at_ms=1, content=b"x", **fields | changes)


def test_a_report_of_the_period_that_was_asked_for_is_taken() -> None:
    assert _spool(DAY).take(_of_a_period())


def test_a_report_of_all_orders_is_refused_where_a_period_was_asked_for() -> None:
    of_an_old_reporting = ReporteGenerado(report_id="r", last=True, generated_at_ms=1, content=b"x")
    with pytest.raises(ReportRefusedError, match=r"of a version that makes no reports of a period.* Update it with"):
        _spool(DAY).take(of_an_old_reporting)
    assert _spool(periodo(tz="America/New_York")).take(of_an_old_reporting)


@pytest.mark.parametrize("changes", [{"from_ms": 1}, {"to_ms": None}, {"by": "created"}])
def test_a_report_of_another_period_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ReportRefusedError, match="another period"):
        _spool(DAY).take(_of_a_period(**changes))


def test_reporting_understands_the_period_as_it_was_meant() -> None:
    sent = command("r", Wish("csv", DAY))
    assert getattr(sent, "from") == "2026-11-01T00:00:00.000-04:00"
    assert sent.to == "2026-11-02T00:00:00.000-05:00"
    assert periodo(getattr(sent, "from"), sent.to, sent.tz, sent.by) == DAY
    everything = command("r", Wish("csv", periodo(tz="Asia/Kathmandu"), "by-day", {"status": "aprobada"}))
    assert (getattr(everything, "from"), everything.to, everything.tz) == ("", "", "Asia/Kathmandu")
    assert (everything.report, dict(everything.filters)) == ("by-day", {"status": "aprobada"})
