"""Whether the system recovered from each fault in time, and made progress during those that it should survive."""

import pytest

from tests.faults.load import Load
from tests.faults.probes import EVERY_S, HOLDS_S, Probe, Sample
from tests.faults.progress import PROGRESS, Fault, problems, recoveries

RATE = 100.0
USUAL = 10
START = 1_000.0
LIMIT_S = 5.0
NEVER = float("inf")


def flow(*outages: tuple[float, float], seconds: float = 60.0) -> Probe:
    """Return a probe that saw no order end between these seconds after the start, and otherwise a normal flow."""
    probe = Probe("", Load("", "", "f-", RATE, 0))
    ended = 0
    for n in range(round(seconds / EVERY_S)):
        at = n * EVERY_S
        behind = any(since <= at < until for since, until in outages)
        sent = round(at * RATE) + USUAL
        ended = ended if behind else sent - USUAL
        probe.samples.append(Sample(START + at, sent, ended))
    return probe


def outage(start: float, end: float) -> Fault:
    return Fault(START + start, START + end, total=True)


def found(probe: Probe, *faults: Fault) -> list[str]:
    return list(problems(probe, faults, USUAL, rate=RATE, recovery_s=LIMIT_S))


def test_an_outage_that_is_got_over_in_time_is_no_problem() -> None:
    probe, fault = flow((10, 16)), outage(10, 12)
    assert recoveries(probe, [fault], USUAL) == [pytest.approx(4.0)]
    assert found(probe, fault) == []


def test_one_that_takes_too_long_is_one_also_where_nobody_waited_for_it() -> None:
    slow, next_one = outage(10, 12), outage(40, 41)
    (problem,) = found(flow((10, 20), (40, 41)), slow, next_one)
    assert problem.startswith("fault 1: normal again only after 8.0 s")


def test_nothing_is_said_of_an_outage_that_the_next_fault_follows_at_once() -> None:
    probe = flow((10, 20))
    first, second = outage(10, 12), outage(14, 16)
    assert recoveries(probe, [first, second], USUAL) == [NEVER, pytest.approx(4.0)]
    assert found(probe, first, second) == []


def test_one_that_is_not_got_over_before_a_next_fault_that_came_late_took_too_long() -> None:
    first, second = outage(10, 12), outage(12 + LIMIT_S + HOLDS_S, 20)
    (problem,) = found(flow((10, 22)), first, second)
    assert problem.startswith("fault 1: normal again only after inf s")


def test_an_outage_that_is_never_got_over_is_a_problem() -> None:
    assert len(found(flow((10, 60)), outage(10, 12))) == 1


def test_orders_must_end_during_a_fault_that_is_not_total() -> None:
    fault = Fault(START + 10, START + 20, total=False)
    (problem,) = found(flow((8, 22)), fault)
    assert problem == "fault 1: 0 orders ended in its 10.0 s"
    assert found(flow(), fault) == []


def test_of_a_fault_that_is_over_at_once_nothing_is_said_and_at_a_low_rate_few_orders_are_enough() -> None:
    short = Fault(START + 10, START + 10.5, total=False)
    assert found(flow((8, 22)), short) == []
    fault = Fault(START + 10, START + 12, total=False)
    probe = flow((10.9, 22))
    assert 0 < probe.ended_between(fault.start, fault.end) < PROGRESS
    assert found(probe, fault) == []
