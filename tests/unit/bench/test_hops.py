"""How long each step took, with known times."""

from array import array

import pytest

from bench.hops import END_TO_END, NEVER, REPORT_ROW, Seen, latencies, windows_of

TOPICS = ("orden-creada", "transaccion-creada", "orden-actualizada")


def times(*values: int) -> "array[int]":
    return array("q", values)


def an_order() -> Seen:
    published = dict(zip(TOPICS, map(times, (12_000, 20_000, 31_000)), strict=True))
    return Seen(times(1_000), times(5_000), published, times(36_000), times(40_000))


def test_each_step_is_what_lies_between_two_places() -> None:
    found = {step: histogram.at(100) for step, histogram in latencies(an_order()).items()}
    assert found == {
        "intended → sent": pytest.approx(4_000, rel=0.001),
        "sent → orden-creada": pytest.approx(7_000, rel=0.001),
        "orden-creada → transaccion-creada": pytest.approx(8_000, rel=0.001),
        "transaccion-creada → orden-actualizada": pytest.approx(11_000, rel=0.001),
        "orden-actualizada → reader": pytest.approx(5_000, rel=0.001),
        "orden-actualizada → report row": pytest.approx(9_000, rel=0.001),
        END_TO_END: pytest.approx(35_000, rel=0.001),
        REPORT_ROW: pytest.approx(39_000, rel=0.001),
    }


def test_the_steps_to_the_reader_add_up_to_the_whole_way() -> None:
    found = {step: histogram.at(100) for step, histogram in latencies(an_order()).items()}
    steps = [us for step, us in found.items() if step not in {END_TO_END, REPORT_ROW} and "report row" not in step]
    assert sum(steps) == pytest.approx(found[END_TO_END], rel=0.002)


def test_what_nobody_saw_is_absent() -> None:
    found = latencies(Seen(times(1_000), None, {}, times(36_000)))
    assert set(found) == {END_TO_END}


def test_an_order_that_was_not_seen_at_both_ends_does_not_count() -> None:
    found = latencies(Seen(times(0, 0, 0), None, {}, times(10, NEVER, 30)))
    assert found[END_TO_END].count == 2


def test_orders_of_the_warm_up_do_not_count() -> None:
    found = latencies(Seen(times(0, 0, 0), None, {}, times(900_000, 10, 10)), skip=1)
    assert (found[END_TO_END].count, found[END_TO_END].at(100)) == (2, 10)


def test_a_publish_time_cut_to_milliseconds_is_no_negative_time() -> None:
    published = {"orden-creada": times(5_000)}
    assert latencies(Seen(times(5_500), times(5_700), published))["sent → orden-creada"].at(100) <= 1


def test_times_of_two_clocks_are_refused() -> None:
    with pytest.raises(ValueError, match="before it began it"):
        latencies(Seen(times(50_000), times(50_000), {"orden-creada": times(5_000)}))


def test_a_client_that_is_held_up_does_not_hide_it() -> None:
    # All were to be sent 1 ms apart, and all went out when the client came back a second later.
    intended = times(*range(0, 1_000_000, 1_000))
    received = times(*[1_000_000] * 1_000)
    found = latencies(Seen(intended, None, {}, received))[END_TO_END]
    assert found.at(50) == pytest.approx(500_000, rel=0.01)


def test_latencies_by_window_of_intended_time() -> None:
    windows = windows_of(Seen(times(0, 10_000_000, 10_500_000), None, {}, times(50, 10_000_100, NEVER)), 10.0)
    assert [(w.count, w.at(100)) for w in windows] == [(1, 50), (1, 100)]
