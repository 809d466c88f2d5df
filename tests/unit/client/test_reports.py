"""Putting a report together from its parts."""

import itertools

import pytest

from client.errors import ReportRefusedError
from client.reports import ReportAssembler
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado


def _part(number: int, *, last: bool = False, made_at_ms: int = 1, report_id: str = "r") -> ReporteGenerado:
    content = f"{made_at_ms}.{number};".encode()
    return ReporteGenerado(report_id=report_id, part=number, last=last, generated_at_ms=made_at_ms, content=content)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_parts_come_in_any_order(order: tuple[int, ...]) -> None:
    assembler = ReportAssembler("r")
    answers = [assembler.take(_part(number, last=number == 2)) for number in order]
    assert answers == [None, None, b"1.0;1.1;1.2;"]


def test_a_part_that_comes_twice_is_taken_once() -> None:
    assembler = ReportAssembler("r")
    assert assembler.take(_part(0)) is None
    assert assembler.take(_part(0)) is None
    assert assembler.take(_part(1, last=True)) == b"1.0;1.1;"


def test_parts_of_two_makings_are_never_mixed() -> None:
    assembler = ReportAssembler("r")
    assert assembler.take(_part(0, made_at_ms=1)) is None
    assert assembler.take(_part(1, made_at_ms=2, last=True)) is None
    assert assembler.take(_part(0, made_at_ms=2)) == b"2.0;2.1;"


def test_another_report_is_passed_over() -> None:
    assert ReportAssembler("r").take(_part(0, last=True, report_id="other")) is None


def test_an_empty_report_is_a_report() -> None:
    assert ReportAssembler("r").take(ReporteGenerado(report_id="r", last=True, generated_at_ms=1)) == b""


def test_what_reporting_says_against_it_is_passed_on() -> None:
    with pytest.raises(ReportRefusedError, match="xml is none of csv, json"):
        ReportAssembler("r").take(ReporteGenerado(report_id="r", last=True, error="xml is none of csv, json"))
