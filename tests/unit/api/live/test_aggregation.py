"""What happens is counted second by second, exactly or by a sample, in bounded memory."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.live import latency
from api.live.aggregation import LAST_ORDERS, MOST_AMOUNTS, MOST_STATUSES, WINDOW_S, Aggregate, Ended
from api.live.sampler import DECODED_PER_S, Sampler
from schemas.tienda import money


def ended(number: int = 1, status: str = "aprobada", **changed: Any) -> Ended:
    values: dict[str, Any] = {
        "id": f"o-{number}",
        "client_id": 7,
        "status": status,
        "version": 2,
        "total_cents": 1234,
        "currency": "USD",
        "created_at_ms": 1_000,
        "updated_at_ms": 1_020,
    }
    return Ended(**values | changed)


def second(aggregate: Aggregate, events: list[Ended], *, every: int = 1, number: int = 100) -> dict[str, Any]:
    aggregate.add(len(events) * every, every, events)
    return aggregate.close(number, read=True, sent_per_s=None).point()


def test_a_second_has_its_events_and_their_latency() -> None:
    aggregate = Aggregate(99)
    point = second(
        aggregate, [ended(n) for n in range(98)] + [ended(99, updated_at_ms=2_000), ended(100, updated_at_ms=9)]
    )
    assert point["ended"] == 100
    assert point["p50_ms"] == pytest.approx(20, rel=0.03)
    assert point["p99_ms"] == pytest.approx(1_000, rel=0.03)


def test_clocks_that_contradict_each_other_give_no_latency() -> None:
    assert ended(updated_at_ms=999).took_ms is None
    assert ended(created_at_ms=0).took_ms is None
    assert second(Aggregate(99), [ended(updated_at_ms=999)])["p50_ms"] is None


def test_what_was_not_read_is_unknown_and_not_zero() -> None:
    aggregate = Aggregate(99)
    point = aggregate.close(100, read=False, sent_per_s=None).point()
    assert (point["ended"], point["sent"]) == (None, None)
    assert aggregate.headline()["ended_per_s"] is None
    assert {each["orders"] for each in aggregate.headline()["outcomes"]} == {None}
    assert aggregate.close(101, read=True, sent_per_s=0.0).point()["ended"] == 0


def test_amounts_have_their_currencys_decimals_and_statuses_all_of_an_orders_ends() -> None:
    aggregate = Aggregate(99)
    second(
        aggregate,
        [
            ended(1),
            ended(2, total_cents=500, currency="JPY"),
            ended(3, total_cents=1255, currency="KWD", status="rechazada"),
            ended(4, total_cents=None),
        ],
    )
    headline = aggregate.headline()
    assert [(each["currency"], each["status"], each["amount"]) for each in headline["amounts"]] == [
        ("JPY", "aprobada", "500 JPY"),
        ("KWD", "rechazada", "1.255 KWD"),
        ("USD", "aprobada", "12.34 USD"),
    ]
    assert {each["status"]: each["orders"] for each in headline["outcomes"]} == {
        "aprobada": 3,
        "rechazada": 1,
        "expirada": 0,
        "reembolsada": 0,
    }
    assert aggregate.orders()[0]["amount"] is None


def test_a_decoded_event_stands_for_those_that_were_passed_over() -> None:
    aggregate = Aggregate(99)
    second(aggregate, [ended(n) for n in range(100)], every=7)
    headline = aggregate.headline()
    assert (headline["every"], headline["sampled"]) == (7, True)
    assert headline["outcomes"][0] == {"status": "aprobada", "orders": 700}
    assert headline["amounts"][0]["amount"] == "8,638.00 USD"
    second(aggregate, [ended()], number=101)
    assert aggregate.headline()["sampled"]


def test_memory_is_bounded_whatever_comes() -> None:
    aggregate = Aggregate(0)
    for number in range(WINDOW_S + 50):
        currency = f"X{number % 26:c}"
        second(aggregate, [ended(n, currency=f"{n}{currency}", status=f"s{n}") for n in range(200)], number=number + 1)
    assert len(aggregate.points()) == WINDOW_S
    assert len(aggregate.orders()) == LAST_ORDERS
    headline = aggregate.headline()
    assert len(headline["amounts"]) == MOST_AMOUNTS
    assert headline["amounts_cut"]
    assert len(headline["outcomes"]) <= MOST_STATUSES


def test_amounts_of_every_currency_that_there_is_are_told() -> None:
    aggregate = Aggregate(0)
    for status in ("aprobada", "rechazada", "reembolsada", "expirada"):
        second(aggregate, [ended(n, currency=currency, status=status) for n, currency in enumerate(money.currencies())])
    headline = aggregate.headline()
    assert {each["currency"] for each in headline["amounts"]} == set(money.currencies())
    assert not headline["amounts_cut"]


@given(st.lists(st.integers(0, 3_600_000), min_size=1, max_size=200), st.sampled_from([50, 99]))
def test_a_percentile_is_at_most_two_percent_off(durations: list[int], percent: int) -> None:
    counts = Counter(latency.bucket(duration) for duration in durations)
    exact = sorted(durations)[-(-len(durations) * percent // 100) - 1]
    found = latency.percentile(counts, percent)
    assert found is not None
    assert abs(found - exact) <= 0.0205 * (exact + 1)


def test_up_to_a_rate_every_event_is_decoded_and_beyond_it_each_kth() -> None:
    sampler = Sampler()
    for number in range(10):
        assert sampler.take(DECODED_PER_S, number) == 0
        assert sampler.every == 1
    for number in range(10, 20):
        taken = 0
        for _ in range(50):
            first = sampler.take(5 * DECODED_PER_S // 50, number)
            taken += len(range(first, 5 * DECODED_PER_S // 50, sampler.every))
        assert number == 10 or taken == pytest.approx(DECODED_PER_S, rel=0.01)
    sampler.take(1, 25)
    assert sampler.every == 1


@given(st.lists(st.integers(1, 50), min_size=5, max_size=100))
def test_the_sample_goes_on_from_entry_to_entry(entries: list[int]) -> None:
    sampler = Sampler()
    sampler.take(4 * DECODED_PER_S, 1)
    taken = sum(len(range(sampler.take(events, 2), events, sampler.every)) for events in entries)
    assert sampler.every == 4
    assert abs(taken - sum(entries) / 4) < 1


def test_a_burst_is_sampled_before_its_second_is_over() -> None:
    sampler = Sampler()
    for _ in range(100):
        sampler.take(DECODED_PER_S, 1)
    assert sampler.every == 100
