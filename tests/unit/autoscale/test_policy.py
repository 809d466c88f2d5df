"""How many instances a function gets, on a simulated clock: by steps of the load, recorded loads and properties."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autoscale.load import Limits, Load
from autoscale.policy import IN_S, OUT_S, SETTLE_S, Decision, History, decide
from deployment.function_configs import Bounds
from tests.unit.autoscale.simulated import LOOK_S, Simulated

LONG_S = 900.0
"""Longer than any function here takes to come to rest."""
LIMITS = Limits(Bounds(1, 8))
WELL = Load(0.0, 1, 1, waiting=0, arrived_per_s=100.0, done_per_s=100.0, cpu_cores=(0.1,), workers=1, on=("w",))


def constant(rate: float) -> Callable[[float], float]:
    return lambda _now: rate


def changes(function: Simulated, seconds: float, rate: Callable[[float], float]) -> list[tuple[float, int, str]]:
    """Let time pass; return each change of the number of instances, with its time and reason."""
    before, found = function.instances, []
    for at, _, decision in function.run(seconds, rate):
        if decision.wanted != before:
            found.append((at, decision.wanted, decision.reason))
        before = decision.wanted
    return found


def last(seconds: float, load: Load, limits: Limits = LIMITS, history: History | None = None) -> Decision:
    """Return the decision after a load has lasted so long."""
    history, decision, at = history or History(), None, 0.0
    while decision is None or at <= seconds:
        decision, history = decide(replace(load, at_s=at), limits, history)
        at += LOOK_S
    return decision


def test_busy_instances_get_help_and_the_reason_says_how_busy_they_are() -> None:
    decision = last(OUT_S + LOOK_S, replace(WELL, cpu_cores=(0.95,)))
    assert (decision.wanted, decision.reason) == (2, "0.95 of 1 cores busy in each of 1")


def test_an_instance_with_half_a_core_is_busy_with_less() -> None:
    busy = replace(WELL, cpu_cores=(0.4,))
    assert last(60, busy).wanted == 1
    assert last(60, busy, replace(LIMITS, cores=0.5)).wanted == 2


def test_a_step_up_and_down_of_the_load_is_followed() -> None:
    function = Simulated(LIMITS, cpu_s=0.001)
    assert changes(function, 300, constant(100)) == []
    up = changes(function, 600, constant(3000))
    assert function.instances in {5, 6}
    assert up[0][0] <= 300 + OUT_S + 2 * LOOK_S
    assert function.waiting == 0
    down = changes(function, 600, constant(100))
    assert function.instances == 1
    assert down[0][0] >= 900 + IN_S


def test_instances_that_are_busy_with_groups_of_one_message_are_taken_away_all_the_same() -> None:
    function = Simulated(replace(LIMITS, cores=0.5), cpu_s=0.0001, overhead_cores=0.25)
    changes(function, 900, constant(3000))
    assert function.instances == 3
    # Their CPU alone, 0.26 of a core each, would keep all three.
    changes(function, 900, constant(100))
    assert function.instances == 1
    assert changes(function, LONG_S, constant(100)) == []


def test_a_peak_shorter_than_the_time_that_counts_changes_nothing() -> None:
    function = Simulated(LIMITS, cpu_s=0.001)
    assert changes(function, 900, lambda now: 900 if now % 60 < OUT_S - LOOK_S else 100) == []


def test_a_dip_shorter_than_the_time_that_counts_takes_nothing_away() -> None:
    function = Simulated(LIMITS, cpu_s=0.001, instances=4)
    assert changes(function, 1800, lambda now: 10 if now % 150 < IN_S - 4 * LOOK_S else 2500) == []


def test_instances_that_wait_for_a_gateway_get_help_by_their_backlog() -> None:
    function = Simulated(LIMITS, each_per_s=640, cpu_s=0.0001)
    found = changes(function, 900, constant(2500))
    assert "messages wait" in found[0][2]
    assert function.waiting == 0
    # Their CPU alone would take the help away again.
    assert changes(function, LONG_S, constant(2500)) == []


def test_a_gateway_that_becomes_slower_gets_as_many_instances_as_it_needs_now() -> None:
    function = Simulated(LIMITS, each_per_s=640, cpu_s=0.0001)
    changes(function, 900, constant(2500))
    changes(function, 900, constant(300))
    assert function.instances == 1
    function.each_per_s = 160
    assert [wanted for _, wanted, _ in changes(function, 3600, constant(300))] == [2, 3]
    assert function.waiting == 0


def test_delayed_messages_are_no_load_so_a_function_full_of_timers_stays_small() -> None:
    # What waits and what arrived leave out what isn't due: see autoscale.looking.
    assert last(600, replace(WELL, waiting=0, arrived_per_s=0.0, done_per_s=0.0, cpu_cores=(0.0,))).wanted == 1


def test_instances_of_which_nothing_is_known_are_not_taken_away() -> None:
    unknown = last(600, replace(WELL, wanted=2, running=2, cpu_cores=(), on=("w", "w")))
    assert (unknown.wanted, unknown.reason) == (2, "2 suit: how busy the 2 are isn't known")


@pytest.mark.parametrize("trouble", ["stuck.database", "stuck.broker", "halted.crear-orden"])
def test_a_function_that_can_not_get_on_gets_no_help(trouble: str) -> None:
    waits = replace(WELL, waiting=1_000_000, done_per_s=0.1, troubles=(trouble,))
    decision = last(600, waits)
    assert (decision.wanted, decision.kind) == (1, "trouble")
    assert trouble in decision.reason


def test_nothing_is_decided_when_nothing_gets_done() -> None:
    assert last(600, replace(WELL, waiting=1_000_000, done_per_s=0.0, cpu_cores=(0.0,))).wanted == 1


def test_none_is_taken_away_while_messages_wait_and_none_is_done_yet() -> None:
    slow = replace(WELL, wanted=3, running=3, waiting=500, arrived_per_s=0.0, done_per_s=0.0, cpu_cores=(0.02,) * 3)
    assert last(600, slow).wanted == 3


def test_a_stopped_function_is_left_alone() -> None:
    decision = last(600, replace(WELL, stopped=True, running=0, wanted=9))
    assert (decision.wanted, decision.kind) == (9, "stopped")


def test_a_look_that_finds_a_starting_function_stopped_keeps_what_is_known_and_the_rest_after_a_change() -> None:
    known = History(settled_s=15.0, wanted=2, capacity_per_s=640.0, proved_per_s=600.0)
    starting = replace(WELL, wanted=2, running=1)
    _, history = decide(replace(starting, stopped=True), LIMITS, known)
    assert (history.capacity_per_s, history.proved_per_s) == (640.0, 600.0)
    decision, _ = decide(replace(starting, at_s=20.0, running=2), LIMITS, history)
    assert (decision.wanted, decision.kind) == (2, "settles")


def test_what_is_outside_the_bounds_is_brought_back_at_the_second_look() -> None:
    decision = last(LOOK_S, replace(WELL, wanted=9, running=9))
    assert (decision.wanted, decision.reason) == (8, "9 instances are outside the bounds 1 to 8")


def test_the_bounds_wait_while_instances_start_and_for_the_rest_after_that() -> None:
    # A deployment makes one instance first, and waits until this one runs.
    limits, new = Limits(Bounds(2, 4)), replace(WELL, wanted=1, running=0)
    _, history = decide(new, limits, History())
    decision, history = decide(replace(new, at_s=5.0), limits, history)
    assert (decision.wanted, decision.kind) == (1, "starts")
    decision, history = decide(replace(new, at_s=10.0, running=1), limits, history)
    assert (decision.wanted, decision.kind) == (1, "settles")
    decision, _ = decide(replace(new, at_s=5.0 + SETTLE_S, running=1), limits, history)
    assert (decision.wanted, decision.kind) == (2, "bounds")


def test_memory_near_its_limit_asks_for_one_more() -> None:
    limits = Limits(Bounds(1, 3), ram_bytes=500_000_000)
    decision = last(60, replace(WELL, memory_bytes=(450_000_000,), free_memory_bytes={"w": 10**9}), limits)
    assert decision.wanted == 2
    assert decision.reason == "an instance uses 90% of its memory of 500 MB"


def test_a_machine_without_memory_gets_no_more_instances() -> None:
    limits = Limits(Bounds(1, 3), ram_bytes=500_000_000)
    short = replace(WELL, memory_bytes=(450_000_000,), free_memory_bytes={"w": 100_000_000})
    decision = last(60, short, limits)
    assert (decision.wanted, decision.kind) == (1, "no room")
    assert "100 MB left, 562 MB needed" in decision.reason
    assert last(60, replace(short, workers=2), limits).wanted == 2


@pytest.mark.parametrize(
    ("workers", "on", "expected"),
    [(2, "ab", 2), (2, "aa", 2), (3, "ab", 3), (3, "aab", 2), (1, "aa", 1), (None, "ab", 1)],
    ids=["one on each", "put on the same", "a third worker", "two of three there", "one worker", "workers unknown"],
)
def test_a_full_disk_gets_one_instance_on_each_worker_and_then_rests(
    workers: int | None, on: str, expected: int
) -> None:
    wanted, history, decisions = 1, History(), []
    for look in range(200):
        here = tuple(on[:wanted].ljust(wanted, "a"))
        load = replace(WELL, at_s=LOOK_S * look, wanted=wanted, running=wanted, workers=workers, on=here)
        load = replace(load, disk_share={worker: 0.95 if worker == "a" else 0.3 for worker in here})
        decision, history = decide(load, LIMITS, history)
        decisions.append(decision)
        wanted = decision.wanted
    assert [each.wanted for each in decisions if each.kind in {"more", "fewer"}] == [*range(2, expected + 1)]
    assert decisions[-1].reason == "a worker's disk is 95% full: make room there"


def test_at_its_bound_it_says_that_the_bound_holds_it_back() -> None:
    decision = last(60, replace(WELL, wanted=2, running=2, waiting=50_000, done_per_s=100.0), Limits(Bounds(1, 2)))
    assert (decision.wanted, decision.kind) == (2, "at most")


def test_a_deployment_that_restarts_instances_is_left_in_peace() -> None:
    history = History()
    busy = replace(WELL, cpu_cores=(0.95,))
    for number in range(3):
        _, history = decide(replace(busy, at_s=5.0 * number), LIMITS, history)
    decision, history = decide(replace(busy, at_s=15.0, restarted=True), LIMITS, history)
    assert (decision.wanted, decision.kind) == (1, "settles")
    decision, _ = decide(replace(busy, at_s=40.0), LIMITS, history)
    assert decision.wanted == 1


def test_somebody_elses_change_counts_as_a_change() -> None:
    history = History()
    busy = replace(WELL, cpu_cores=(0.95,))
    for number in range(3):
        _, history = decide(replace(busy, at_s=5.0 * number), LIMITS, history)
    scaled = replace(busy, wanted=2, running=2, cpu_cores=(0.95, 0.95))
    decision, history = decide(replace(scaled, at_s=15.0), LIMITS, history)
    assert (decision.wanted, decision.kind) == (2, "settles")
    decision, _ = decide(replace(scaled, at_s=20.0), LIMITS, history)
    assert (decision.wanted, decision.kind) == (2, "settles")


BOUNDS = st.tuples(st.integers(1, 10), st.integers(0, 10)).map(lambda pair: Bounds(pair[0], pair[0] + pair[1]))
FUNCTIONS = st.builds(
    Simulated,
    limits=st.builds(Limits, bounds=BOUNDS, cores=st.sampled_from([0.25, 0.5, 1.0])),
    each_per_s=st.sampled_from([50.0, 500.0, 5000.0, float("inf")]),
    cpu_s=st.sampled_from([0.00001, 0.0001, 0.001]),
    wobble=st.sampled_from([0.0, 0.05, 0.1]),
    instances=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
RATES = st.sampled_from([0, 10, 100, 690, 1000, 3000, 10_000])


@settings(max_examples=15, deadline=None)
@given(FUNCTIONS, st.lists(st.tuples(RATES, st.integers(1, 60)), max_size=6))
def test_it_never_leaves_the_bounds(function: Simulated, steps: list[tuple[int, int]]) -> None:
    bounds = function.limits.bounds
    for rate, looks in steps:
        for _, _, decision in function.run(looks * LOOK_S, constant(rate)):
            assert decision.kind == "first" or bounds.least <= decision.wanted <= bounds.most


@settings(max_examples=15, deadline=None)
@given(FUNCTIONS, RATES)
def test_a_constant_load_ends_in_a_constant_number(function: Simulated, rate: int) -> None:
    changes(function, LONG_S, constant(rate))
    assert changes(function, LONG_S, constant(rate)) == []


@settings(max_examples=15, deadline=None)
@given(FUNCTIONS, st.lists(st.tuples(RATES, st.integers(1, 60)), max_size=6))
def test_two_changes_are_never_closer_than_the_cool_down(function: Simulated, steps: list[tuple[int, int]]) -> None:
    found = []
    for rate, looks in steps:
        found += changes(function, looks * LOOK_S, constant(rate))
    assert all(later[0] - earlier[0] >= SETTLE_S for earlier, later in pairwise(found))


@settings(max_examples=15, deadline=None)
@given(FUNCTIONS, RATES)
def test_a_load_that_the_bounds_can_carry_leaves_no_backlog(function: Simulated, rate: int) -> None:
    each = min(function.each_per_s, 1 / function.cpu_s)
    changes(function, 2 * LONG_S, constant(rate))
    if rate <= 0.9 * each * function.limits.bounds.most:
        # What takes some seconds at the present rate is no backlog.
        assert function.waiting <= 10 * max(rate, 100)


@settings(max_examples=15, deadline=None)
@given(FUNCTIONS, RATES, RATES)
def test_a_smaller_load_never_needs_more(function: Simulated, rate: int, other: int) -> None:
    changes(function, LONG_S, constant(max(rate, other)))
    before = function.instances
    changes(function, LONG_S, constant(min(rate, other)))
    assert function.instances <= before
