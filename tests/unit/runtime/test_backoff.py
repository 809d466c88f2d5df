"""How long to wait, and how often to try."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime._backoff import Backoff, RetryPolicy


@given(failures=st.integers(1, 200), seed=st.integers())
def test_a_wait_is_positive_and_never_over_the_maximum(failures: int, seed: int) -> None:
    backoff = Backoff(initial=0.05, maximum=2.0, random=Random(seed))
    waits = [backoff.next() for _ in range(failures)]
    assert all(0 < wait <= 2.0 for wait in waits)
    assert backoff.failures == failures


@given(seed=st.integers())
def test_waits_grow_until_the_maximum(seed: int) -> None:
    backoff = Backoff(initial=0.1, maximum=1.6, random=Random(seed))
    for bound in (0.1, 0.2, 0.4, 0.8, 1.6, 1.6):
        assert bound / 2 <= backoff.next() <= bound


def test_a_success_starts_from_the_shortest_wait() -> None:
    backoff = Backoff(initial=0.1, maximum=10)
    for _ in range(10):
        backoff.next()
    backoff.reset()
    assert backoff.failures == 0
    assert backoff.next() <= 0.1


def test_two_instances_wait_differently() -> None:
    assert Backoff(random=Random(1)).next() != Backoff(random=Random(2)).next()


def test_each_further_attempt_waits_twice_as_long_and_the_last_has_none() -> None:
    policy = RetryPolicy(max_attempts=4, initial_s=0.5)
    assert [policy.delay_ms(attempt) for attempt in range(1, 6)] == [500, 1000, 2000, None, None]


@pytest.mark.parametrize("attempt", [1, 2, 99999])
def test_one_attempt_in_all_is_never_repeated(attempt: int) -> None:
    assert RetryPolicy(max_attempts=1).delay_ms(attempt) is None
