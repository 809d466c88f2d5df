"""The flow counts as normal again once enough samples show that it stays so."""

import pytest

from tests.faults.load import Load
from tests.faults.probes import EVERY_S, HOLDS_S, HOLDS_SAMPLES, Probe, Sample

RATE = 100.0
USUAL = 10
"""Orders under way before; up to `RATE` × 1 s are normal."""
END = 1_000.0
NEVER = float("inf")


def probe_of(*under_way: int, every: float = EVERY_S, start: float = END) -> Probe:
    """Return a probe that saw so many orders under way, one sample after the other."""
    probe = Probe("", Load("", "", "f-", RATE, 0))
    probe.samples = [Sample(start + n * every, 10_000 + number, 10_000) for n, number in enumerate(under_way)]
    return probe


def lasting(seconds: float, under_way: int) -> list[int]:
    return [under_way] * round(seconds / EVERY_S + 1)


def test_a_flow_that_stays_normal_is_so_from_the_first_sample_on() -> None:
    probe = probe_of(*lasting(1.0, 500), *lasting(HOLDS_S, 100))
    assert probe.recovered_after(END, USUAL) == pytest.approx(1.2)


def test_a_moment_before_the_backlog_shows_is_no_recovery() -> None:
    probe = probe_of(*lasting(0.4, 20), *lasting(3.0, 900), *lasting(HOLDS_S, 20))
    assert probe.recovered_after(END, USUAL) == pytest.approx(3.8)


def test_a_flow_that_has_not_been_normal_for_long_enough_is_not_so_yet() -> None:
    assert probe_of(*lasting(HOLDS_S - EVERY_S, 20)).recovered_after(END, USUAL) == NEVER
    assert probe_of(*lasting(HOLDS_S, 20)).recovered_after(END, USUAL) == pytest.approx(0.0)
    assert probe_of().recovered_after(END, USUAL) == NEVER


def test_too_few_samples_say_nothing() -> None:
    every = HOLDS_S / (HOLDS_SAMPLES - 2)
    assert probe_of(*[20] * (HOLDS_SAMPLES - 1), every=every).recovered_after(END, USUAL) == NEVER
    assert probe_of(*[20] * HOLDS_SAMPLES, every=every).recovered_after(END, USUAL) == pytest.approx(0.0)


def test_a_stretch_without_samples_is_not_taken_for_a_normal_one() -> None:
    probe = probe_of(*[20] * 4)
    probe.samples += probe_of(*lasting(HOLDS_S, 20), start=END + 10).samples
    assert probe.recovered_after(END, USUAL) == pytest.approx(10.0)
    assert probe_of(*[20] * 20, every=HOLDS_S).recovered_after(END, USUAL) == NEVER


def test_samples_before_the_fault_is_over_and_after_the_next_one_began_do_not_count() -> None:
    probe = probe_of(*lasting(10.0, 20), start=END - 5)
    assert probe.recovered_after(END, USUAL) == pytest.approx(0.0)
    assert probe.recovered_after(END, USUAL, until=END + HOLDS_S) == NEVER
    assert probe.recovered_after(END, USUAL, until=END + HOLDS_S + 2 * EVERY_S) == pytest.approx(0.0)


def test_twice_of_what_was_usual_is_normal() -> None:
    probe = probe_of(*lasting(HOLDS_S, 600))
    assert probe.recovered_after(END, 299) == NEVER
    assert probe.recovered_after(END, 300) == pytest.approx(0.0)
