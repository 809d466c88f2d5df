"""The benchmark's statements on the tables that the migrations make."""

import os
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self

import psycopg
import pytest

from bench import inserts, prefill, run, sender, tables, topics, totals
from bench.errors import UnfinishedError
from bench.hops import END_TO_END, NEVER, REPORT_ROW
from bench.system import System, with_commit_times
from bench.workload import Workload
from operations.reconcile.merge import facts
from operations.reconcile.rules import Verdict, judge
from operations.reconcile.tables import Tables as ReconcileTables
from tests.integration.server import Server

OLD = Workload("viejo-0", 1_000)
"""The orders that `prefill` makes, as if a run had sent them."""


@pytest.fixture
def dsns(dsn_of: Callable[[str], str]) -> dict[str, str]:
    return {service: dsn_of(service) for service in ("ordenes", "pagos", "reporting")}


@pytest.fixture
def filled(dsns: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setattr(prefill, "CHUNK", 400)
    prefill.fill(dsns, OLD.orders)
    return dsns


def test_prefilled_orders_have_ended_alike_everywhere(filled: dict[str, str]) -> None:
    with (
        ReconcileTables.opened(filled, statement_timeout_s=30) as opened,
        opened.snapshot() as rows,
    ):
        verdicts = [judge(facts(each.orden, each.pago, each.reporting)).verdict for each in rows]
    assert verdicts == [Verdict.ENDED] * OLD.orders


def test_progress_counts_step_by_step_up_to_the_first_that_is_not_whole(filled: dict[str, str]) -> None:
    more = Workload(OLD.prefix, 1_200)
    with tables.opened(filled) as asked:
        progress = tables.Progress(asked, more)
        assert (progress.ended(), progress.orders) == (1_000, 1_200)
        prefill_rest(filled["reporting"], 1_000, 1_199)
        assert progress.ended() == 1_200
        assert progress.ended() == 1_200


def prefill_rest(dsn: str, first: int, last: int) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(prefill.SQL["reporting"].encode(), {"first": first, "last": last})


def test_commits_are_told_from_the_rows(filled: dict[str, str]) -> None:
    with tables.opened(filled) as asked:
        commits = asked.commits(OLD)
    # Filled 400 at a time; and each row of Ordenes has a time of its own.
    assert {name: tuple(each) for name, each in commits.items()} == {
        "crear-orden": (1_000, 1_000),
        "orden-creada": (1_000, 3),
        "transaccion-creada": (1_000, 3),
        "orden-actualizada": (1_000, 3),
    }


def test_commit_times_are_those_of_the_commits(server: Server, dsns: dict[str, str]) -> None:
    with_commit_times(server.settings)
    server.start()
    with tables.opened(dsns) as asked:
        assert asked.keeps_commit_times()
        prefill_rest(dsns["reporting"], 0, 4)
        times = asked.row_times(Workload(OLD.prefix, 6))
        with psycopg.connect(dsns["reporting"]) as connection:
            row = connection.execute("SELECT (extract(EPOCH FROM clock_timestamp()) * 1e6)::bigint").fetchone()
    assert row is not None
    assert len(set(times[:5])) == 1
    assert row[0] - 5_000_000 < times[0] <= row[0]
    assert times[5] == NEVER


def test_lag_counts_changes_and_their_age(dsns: dict[str, str]) -> None:
    with tables.opened(dsns) as asked:
        assert asked.lag() == (0, 0.0)
        with psycopg.connect(dsns["ordenes"], autocommit=True) as connection:
            connection.execute("INSERT INTO estado_pendiente (order_ids) VALUES ('{a,b}'), ('{c}')")
        lag = asked.lag()
        assert lag.keys == 3
        assert 0 < lag.age_s < 30
        assert asked.lag(keys=False).keys == 0


def test_figures_grow(dsns: dict[str, str]) -> None:
    with tables.opened(dsns) as asked:
        before = asked.figures()
        prefill.fill(dsns, 100)
        grown = tables.growth(before, asked.figures())
        assert grown["wal_bytes"] > 0
        assert set(grown["ordenes"]["tables"]["ordenes"]) >= {"bytes", "inserted", "hot_updated"}
        assert asked.bytes_by_table()["reporting.ordenes"] > 0
        assert asked.settings()["server_version"].startswith("18")


# -- a whole run, with everything of Pulsar's played


class Played:
    """Stands in for the benchmark's child: told to go, it lets all orders of the run end in the tables at once."""

    pid = os.getpid()
    dsns: ClassVar[dict[str, str]] = {}

    def __init__(self, work: object, _url: str, workload: Workload, *_more: object) -> None:
        self._work, self._workload = work, workload
        self._intended = array("q")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        pass

    def ready(self) -> None:
        pass

    def send(self, word: str) -> None:
        if word == "go":
            now = time.time_ns() // 1_000
            self._intended = array("q", range(now, now + self._workload.orders))
            prefill.fill(self.dsns, self._workload.orders)

    def receive(self, _seconds: float) -> Any:
        if self._work is sender.send_orders:
            return sender.Sent(self._intended, self._intended, 0.5)
        after = 5_000_000 + time.time_ns() // 1_000
        return array("q", [after, NEVER] + [after] * (self._workload.orders - 2))


@pytest.fixture
def system(server: Server, dsns: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> System:
    with_commit_times(server.settings)
    server.start()
    monkeypatch.setattr(Played, "dsns", dsns)
    monkeypatch.setattr(run, "Child", Played)
    monkeypatch.setattr(topics, "written", lambda _api: {})
    monkeypatch.setattr(topics, "first_with_backlog", lambda _system: "")
    return System("pulsar://127.0.0.1:1", "http://127.0.0.1:1", Path("pulsar-admin"), dsns, None, own=True)


def test_a_run_at_full_speed_ends_with_the_last_committed_row(system: System) -> None:
    missing = run.Missing()
    found = run.measure(system, run.Plan("a", OLD, with_tables=True, sample_s=0.01), missing)
    assert (found.orders, found.distinct) == (1_000, 1_000)
    assert 0 < found.seconds < 60
    assert found.per_second == pytest.approx(1_000 / found.seconds)
    assert found.commits_per_second == pytest.approx((1_000 + 3) / found.seconds)
    assert found.state == {"behind_changes": 0.0, "behind_s": 0.0}
    assert found.samples[0].table_bytes
    assert found.cpu_s["client"] >= 0
    assert (found.latencies, found.windows) == ({}, [])
    assert missing == ["CPU and memory by process: the system is not this machine's local stack"]


def test_a_live_run_has_latencies_and_says_what_it_did_not_see(system: System) -> None:
    missing = run.Missing()
    found = run.measure(system, run.Plan("a", OLD, rate=500.0, live=True, warm_up_s=1.0), missing)
    assert found.latencies[END_TO_END].count == 500
    assert found.latencies[END_TO_END].at(50) >= 5_000_000
    assert found.latencies[REPORT_ROW].count == 500
    assert sum(window.count for window in found.windows) == 999
    assert "a: when 1 of 1,000 orders arrived at the reader" in missing


def test_a_run_that_stands_still_gives_no_figure(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "STALLED_S", 0.3)
    monkeypatch.setattr(topics, "first_with_backlog", lambda _system: "orden-creada")
    with pytest.raises(UnfinishedError, match="orden-creada isn't empty"):
        run.measure(system, run.Plan("a", OLD), run.Missing())


def test_the_state_store_is_waited_for_and_its_rate_told(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "STATE_S", 0.3)
    with psycopg.connect(system.dsns["ordenes"], autocommit=True) as connection:
        connection.execute("INSERT INTO estado_pendiente (order_ids) VALUES ('{a,b}')")
    missing = run.Missing()
    found = run.measure(system, run.Plan("a", OLD), missing)
    assert found.state["behind_changes"] == 2.0
    assert "catch_up_s" not in found.state
    assert any("were too short" in line for line in missing)


def test_the_insert_loop_leaves_nothing_behind(dsns: dict[str, str]) -> None:
    assert inserts.limit(dsns["ordenes"], 0.2, 10) > 0
    with psycopg.connect(dsns["ordenes"]) as connection:
        schemas = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'bench_limite'").fetchone()
        orders = connection.execute("SELECT count(*) FROM ordenes").fetchone()
    assert (schemas, orders) == ((0,), (0,))


def test_what_the_totals_cost_is_measured_on_a_table_of_any_size(empty_dsn: str) -> None:
    found = totals.measure(empty_dsn, 30, [10], rounds=1, seconds=0.05)
    (written,) = found.written
    assert min(found.migration_s, found.read_ms, found.count_ms) > 0
    assert 0 < found.pages_beside < 60
    assert min(written.without.wall_us, written.with_totals.wall_us) > 0
    with psycopg.connect(empty_dsn) as connection:
        counted = connection.execute("SELECT count(*) FROM ordenes").fetchone()
        kept = connection.execute("SELECT sum(orders)::bigint FROM totales").fetchone()
    # What was written without the triggers is in the table alone.
    assert counted is not None
    assert kept is not None
    assert 30 < kept[0] < counted[0]
