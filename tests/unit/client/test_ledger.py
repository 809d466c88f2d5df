"""The summary of a run's orders."""

from zoneinfo import ZoneInfo

from client.ledger import Ledger, RunSummary

MS = 1_000_000
UTC = ZoneInfo("UTC")


def _ledger(*order_ids: str) -> Ledger:
    ledger = Ledger()
    for order_id in order_ids:
        ledger.sent(order_id, 1_000 * MS)
    return ledger


def _nonzero(summary: RunSummary) -> dict[str, int]:
    return {outcome: count for outcome, count in summary.outcomes.items() if count}


def test_an_order_nobody_heard_of_is_unaccounted() -> None:
    summary = _ledger("a").close()
    assert _nonzero(summary) == {"unaccounted": 1}
    assert summary.missing == 1
    assert summary.examples == {"unaccounted": "a"}
    assert summary.latency_ms is None


def test_the_usual_outcomes_are_listed_though_nobody_had_them() -> None:
    assert list(_ledger().close().outcomes) == ["aprobada", "rechazada", "dead_lettered", "unsent", "unaccounted"]


def test_an_order_that_was_created_at_another_time_than_it_was_sent_at_existed() -> None:
    ledger = _ledger("new", "old", "unknown", "new-dead")
    ledger.updated("new", "aprobada", 2, 1_010 * MS, 1_000)
    ledger.updated("old", "aprobada", 2, 1_010 * MS, 400)
    ledger.updated("unknown", "aprobada", 2, 1_010 * MS)
    ledger.dead_lettered("new-dead", "conflict", 1_010 * MS)
    summary = ledger.close()
    assert summary.existed == 1
    assert summary.as_json(UTC)["existed"] == 1


def test_an_order_that_ended_is_none_that_could_not_be_sent_though_nobody_confirmed_it() -> None:
    ledger = _ledger("a", "b", "c")
    for order_id in ("a", "b"):
        ledger.unsent(order_id, "AlreadyClosed")
    ledger.updated("a", "aprobada", 2, 1_010 * MS)
    summary = ledger.close()
    assert (summary.send_errors, summary.unconfirmed) == ({"AlreadyClosed": 1}, {"AlreadyClosed": 1})
    assert summary.outcomes["unsent"] == 1


def test_a_duplicate_changes_nothing() -> None:
    ledger = _ledger("a", "b")
    ledger.updated("a", "aprobada", 2, 1_010 * MS)
    ledger.updated("a", "aprobada", 2, 1_500 * MS)
    assert ledger.finished == 1
    assert ledger.close().latency_ms == {"p50": 10.0, "p95": 10.0, "p99": 10.0}


def test_the_highest_version_wins_whatever_the_order_of_arrival() -> None:
    for events in ([("expirada", 2), ("reembolsada", 3)], [("reembolsada", 3), ("expirada", 2)]):
        ledger = _ledger("a")
        for status, version in events:
            ledger.updated("a", status, version, 1_010 * MS)
        assert ledger.finished == 1
        assert _nonzero(ledger.close()) == {"reembolsada": 1}


def test_an_open_status_is_no_end() -> None:
    ledger = _ledger("a")
    ledger.updated("a", "creada", 1, 1_010 * MS)
    assert ledger.finished == 0
    assert _nonzero(ledger.close()) == {"unaccounted": 1}


def test_orders_of_others_are_passed_over() -> None:
    ledger = _ledger("a")
    ledger.updated("z", "aprobada", 2, 1_010 * MS)
    ledger.dead_lettered("z", "conflict", 1_010 * MS)
    ledger.dead_lettered("", "undecodable", 1_010 * MS)
    assert (ledger.orders, ledger.finished) == (1, 0)


def test_a_dead_letter_accounts_for_an_order_and_tells_why() -> None:
    ledger = _ledger("a", "b")
    ledger.dead_lettered("a", "conflict (crear-orden-DLQ)", 1_010 * MS)
    ledger.dead_lettered("a", "conflict (crear-orden-DLQ)", 1_020 * MS)
    summary = ledger.close()
    assert ledger.finished == 1
    assert _nonzero(summary) == {"dead_lettered": 1, "unaccounted": 1}
    assert summary.dead_letter_reasons == {"conflict (crear-orden-DLQ)": 1}


def test_a_final_status_is_the_outcome_of_an_order_that_was_dead_lettered_too() -> None:
    ledger = _ledger("a")
    ledger.dead_lettered("a", "early (transaccion-creada-DLQ)", 1_010 * MS)
    ledger.updated("a", "aprobada", 2, 1_020 * MS)
    summary = ledger.close()
    assert ledger.finished == 1
    assert _nonzero(summary) == {"aprobada": 1}
    assert summary.dead_letter_reasons


def test_an_order_that_could_not_be_sent_is_missing_but_not_waited_for() -> None:
    ledger = _ledger("a")
    ledger.unsent("a", "Timeout")
    summary = ledger.close()
    assert ledger.finished == 1
    assert _nonzero(summary) == {"unsent": 1}
    assert (summary.missing, summary.send_errors) == (1, {"Timeout": 1})


def test_an_order_that_arrived_though_its_sending_failed_counts_once() -> None:
    for unsent_first in (True, False):
        ledger = _ledger("a")
        if unsent_first:
            ledger.unsent("a", "Timeout")
        ledger.updated("a", "aprobada", 2, 1_010 * MS)
        if not unsent_first:
            ledger.unsent("a", "Timeout")
        assert ledger.finished == 1
        assert _nonzero(ledger.close()) == {"aprobada": 1}


def test_a_status_of_a_later_release_is_counted_under_its_own_name() -> None:
    ledger = _ledger("a")
    ledger.updated("a", "devuelta", 4, 1_010 * MS)
    assert _nonzero(ledger.close()) == {"devuelta": 1}


def test_the_summary_has_milliseconds_and_a_rate() -> None:
    ledger = _ledger("a", "b")
    ledger.updated("a", "aprobada", 2, 1_500 * MS)
    ledger.updated("b", "rechazada", 2, 2_000 * MS)
    summary = ledger.close().as_json(UTC)
    assert summary["orders"] == 2
    assert (summary["started_at_ms"], summary["first_finished_at_ms"], summary["last_finished_at_ms"]) == (
        1000,
        1500,
        2000,
    )
    assert summary["orders_per_second"] == 2.0
    assert summary["latency_ms"] == {"p50": 500.0, "p95": 1000.0, "p99": 1000.0}


def test_a_clock_that_is_behind_makes_no_negative_latency() -> None:
    ledger = _ledger("a")
    ledger.updated("a", "aprobada", 2, 900 * MS)
    assert ledger.close().latency_ms == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
