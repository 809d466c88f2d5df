"""Putting a report together from its parts."""

import itertools
from typing import Any

import pytest

from client.errors import ReportRefusedError
from client.reports import ReportAssembler, command
from schemas.tienda.periodo import periodo
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado


def _part(number: int, *, last: bool = False, made_at_ms: int = 1, report_id: str = "r") -> ReporteGenerado:
    content = f"{made_at_ms}.{number};".encode()
    return ReporteGenerado(report_id=report_id, part=number, last=last, generated_at_ms=made_at_ms, content=content)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_parts_come_in_any_order(order: tuple[int, ...]) -> None:
    assembler = ReportAssembler("r", periodo())
    answers = [assembler.take(_part(number, last=number == 2)) for number in order]
    assert answers == [None, None, b"1.0;1.1;1.2;"]


def test_a_part_that_comes_twice_is_taken_once() -> None:
    assembler = ReportAssembler("r", periodo())
    assert assembler.take(_part(0)) is None
    assert assembler.take(_part(0)) is None
    assert assembler.take(_part(1, last=True)) == b"1.0;1.1;"


def test_parts_of_two_makings_are_never_mixed() -> None:
    assembler = ReportAssembler("r", periodo())
    assert assembler.take(_part(0, made_at_ms=1)) is None
    assert assembler.take(_part(1, made_at_ms=2, last=True)) is None
    assert assembler.take(_part(0, made_at_ms=2)) == b"2.0;2.1;"


def test_another_report_is_passed_over() -> None:
    assert ReportAssembler("r", periodo()).take(_part(0, last=True, report_id="other")) is None


def test_an_empty_report_is_a_report() -> None:
    assert ReportAssembler("r", periodo()).take(ReporteGenerado(report_id="r", last=True, generated_at_ms=1)) == b""


def test_what_reporting_says_against_it_is_passed_on() -> None:
    with pytest.raises(ReportRefusedError, match="xml is none of csv, json"):
        ReportAssembler("r", periodo()).take(
            ReporteGenerado(report_id="r", last=True, error="xml is none of csv, json")
        )


DAY = periodo("2026-11-01", "2026-11-02", "America/New_York", "updated")


def _of_a_period(**changes: Any) -> ReporteGenerado:
    fields: dict[str, Any] = {"from_ms": DAY.from_ms, "to_ms": DAY.to_ms, "tz": "America/New_York", "by": "updated"}
    return ReporteGenerado(report_id="r", last=True, generated_at_ms=1, content=b"x", **fields | changes)


def test_a_report_of_the_period_that_was_asked_for_is_taken() -> None:
    assert ReportAssembler("r", DAY).take(_of_a_period()) == b"x"


def test_a_report_of_all_orders_is_refused_where_a_period_was_asked_for() -> None:
    of_an_old_reporting = ReporteGenerado(report_id="r", last=True, generated_at_ms=1, content=b"x")
    with pytest.raises(ReportRefusedError, match=r"of a version that makes no reports of a period.* Update it with"):
        ReportAssembler("r", DAY).take(of_an_old_reporting)
    assert ReportAssembler("r", periodo(tz="America/New_York")).take(of_an_old_reporting) == b"x"


@pytest.mark.parametrize("changes", [{"from_ms": 1}, {"to_ms": None}, {"by": "created"}])
def test_a_report_of_another_period_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ReportRefusedError, match="another period"):
        ReportAssembler("r", DAY).take(_of_a_period(**changes))


def test_reporting_understands_the_period_as_it_was_meant() -> None:
    sent = command("r", "csv", DAY)
    assert getattr(sent, "from") == "2026-11-01T00:00:00.000-04:00"
    assert sent.to == "2026-11-02T00:00:00.000-05:00"
    assert periodo(getattr(sent, "from"), sent.to, sent.tz, sent.by) == DAY
    everything = command("r", "csv", periodo(tz="Asia/Kathmandu"))
    assert (getattr(everything, "from"), everything.to, everything.tz) == ("", "", "Asia/Kathmandu")
