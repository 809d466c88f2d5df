"""The smaller parts: pacing, entries, cases, variants, slopes, what other programs print."""

import json
import os
import subprocess
import sys
import zipfile
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from alpes_runtime import Done
from alpes_runtime.config import parse_config
from bench import intake, plain, reconcile, transport
from bench.child import Child, Link
from bench.commands import compare, scaling, soak
from bench.errors import BenchError, UsageError
from bench.histogram import Latencies
from bench.hops import NEVER
from bench.results import Run, Sample
from bench.sender import first, paced
from bench.sink.function import Counted, Nowhere, payload
from bench.system import SERVICES
from bench.topics import Written, messages_per_entry
from deployment import function_configs, packages
from functions.ordenes.function import OrdenesConfig
from tests.unit.bench.made import a_run

# -- the open loop


class Hands:
    """A clock that advances with each sleep, and by ``cost`` with each message."""

    def __init__(self, cost: float = 0.0, stall_at: int = -1, stall: float = 0.0) -> None:
        self.now = 0.0
        self.sent: list[float] = []
        self._cost, self._stall_at, self._stall = cost, stall_at, stall

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def send(self, number: int) -> None:
        assert number == len(self.sent)
        self.sent.append(self.now)
        self.now += self._stall if number == self._stall_at else self._cost


def test_an_open_loop_keeps_its_rate() -> None:
    hands = Hands()
    intended, latest_s = paced(1_000, 500.0, hands.send, hands.clock, hands.sleep)
    assert hands.sent[-1] == pytest.approx(999 / 500, abs=0.002)
    assert intended[999] - intended[0] == 1_998_000
    assert latest_s < 0.002


def test_a_stall_moves_no_intended_time_and_is_told() -> None:
    hands = Hands(stall_at=10, stall=1.0)
    intended, latest_s = paced(1_000, 500.0, hands.send, hands.clock, hands.sleep)
    assert [after - before for before, after in pairwise(intended)] == [2_000] * 999
    assert latest_s == pytest.approx(1.0, abs=0.01)
    # It catches up at once.
    assert hands.sent[200] < 1.1


def test_a_repeated_order_counts_from_its_first_command() -> None:
    assert list(first([2, 0, 2], [10, 20, 30], 4)) == [20, NEVER, 10, NEVER]


# -- a process of our own


def double(link: Link, value: int) -> int:
    link.ready()
    return value * int(link.wait())


def fail(link: Link) -> None:
    link.ready()
    raise ValueError("no such luck")


def test_a_child_gets_ready_works_and_stays_to_be_looked_at() -> None:
    with Child(double, 21) as child:
        child.ready()
        child.send(2)
        assert child.receive(30) == 42
        assert Path(f"/proc/{child.pid}").exists()


def test_a_child_that_fails_says_why() -> None:
    with Child(fail) as child:
        child.ready()
        with pytest.raises(BenchError, match="fail failed: ValueError: no such luck"):
            child.receive(30)


# -- entries


def test_messages_share_entries() -> None:
    before = {"a": Written(100, 10), "b": Written(5, 5)}
    after = {"a": Written(1_100, 30), "b": Written(5, 5), "c": Written(9, 9)}
    assert messages_per_entry(before, after) == {"a": 50.0}


# -- pulsar-perf

PRODUCED = """
12:00:10,001 INFO  PerformanceProducer - Throughput produced:  912345 msg ---  91000.1 msg/s ---    145.6 Mbit/s
12:00:15,001 INFO  PerfProducer - Aggregated throughput stats --- 1412345 records sent --- 94012.345 msg/s --- 1 Mbit/s
"""
CONSUMED = (
    "Aggregated throughput stats --- 1400000 records received --- 93,500.120 msg/s --- 149.6 Mbit/s  --- AckRate: 1"
)


def test_the_summary_of_pulsar_perf_is_read() -> None:
    assert transport.summary(PRODUCED, "sent") == 94_012.345
    assert transport.summary(CONSUMED, "received") == 93_500.12
    assert transport.summary(PRODUCED, "received") is None


# -- alpes reconcile

CLEAN = {"holds": True, "lost": {}, "differs": {}, "in_flight": {}, "dead_lettered": {}, "refused_messages": 0}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"lost": {"waits": 3}, "holds": False}, "3 lost"),
        ({"differs": {"x": 1, "y": 1}, "holds": False}, "2 differs"),
        ({"in_flight": {"waits": 1}}, "1 in flight"),
        ({"refused_messages": 2}, "2 dead letters of no order"),
        ({"holds": False}, "it does not hold"),
    ],
)
def test_only_a_clean_account_is_clean(changes: dict[str, Any], words: str) -> None:
    assert reconcile.findings(CLEAN | changes, all_ended=True) == words


def test_on_a_shared_system_an_order_may_be_on_its_way_and_none_may_be_lost() -> None:
    assert reconcile.findings(CLEAN | {"in_flight": {"waits": 1}}, all_ended=False) == ""
    assert reconcile.findings(CLEAN | {"lost": {"waits": 1}}, all_ended=False) == "1 lost"


# -- scaling


def test_functions_are_scaled_together_and_each_alone() -> None:
    found = dict(scaling.cases([1, 2, 4], alone=True))
    assert len(found) == 3 + 2 * len(SERVICES)
    assert found["all × 4"] == dict.fromkeys(SERVICES, 4)
    assert found["pagos × 2"] == {**dict.fromkeys(SERVICES, 1), "pagos": 2}
    assert list(dict(scaling.cases([1, 2], alone=False))) == ["all × 1", "all × 2"]


# -- compare


def test_this_system_is_always_among_the_variants() -> None:
    assert compare.choose("d", quick=False) == ["a", "d"]
    assert compare.choose(None, quick=False) == ["a", "b", "c1", "c2", "d", "t"]
    assert compare.choose(None, quick=True) == ["a", "b"]
    with pytest.raises(UsageError, match="no variant x, y"):
        compare.choose("x,y,a", quick=False)


def test_every_variant_can_be_entered() -> None:
    assert set(compare.ENTER) == set(compare.VARIANTS)


def test_ratios_are_those_that_were_measured() -> None:
    rates = {"a": [1.0], "b": [2.0]}
    assert [name for name, _ in compare.pairs(rates, {})] == ["a/b"]
    limits = {"intake direct": [9.0], "intake runtime": [1.0], "bare rows": [5.0]}
    assert dict(compare.pairs(rates, limits))["intake direct/runtime"] == ([9.0], [1.0])


def test_figures_are_medians_and_what_follows_from_them() -> None:
    runs = [a_run(per_second=rate) for rate in (4_000.0, 5_000.0, 9_000.0)]
    shown = compare.figures(
        {"a": runs}, {"transport messages": [80_000.0, 100_000.0, 200_000.0], "bare rows": [40_000.0]}
    )
    assert shown["a orders/s"] == 5_000.0
    assert shown["a: orders/s × hops as a share of the transport"] == pytest.approx(0.2)
    assert shown["a: rows/s as a share of bare inserts"] == pytest.approx(0.5)
    assert shown["a: orders per commit"] == pytest.approx(5_000 / 64)


def test_without_limits_there_are_no_shares() -> None:
    assert not [name for name in compare.figures({"a": [a_run()]}, {}) if "share" in name]


# -- soak


def soaked(p99_growth_us: int) -> Run:
    windows = [Latencies([1_000, 50_000 + n * p99_growth_us]) for n in range(8)]
    samples = [Sample(30.0 * n, {}, {"broker": 10**9 + n * 10**6}, 0.5) for n in range(8)]
    return Run("soak", 1, 1, 1_000.0, 80.0, 1.0, windows=windows, samples=samples)


def test_what_grows_has_a_slope_a_minute() -> None:
    found = dict(soak.slopes(soaked(10_000)))
    # 10 ms a window of 10 s.
    assert found["p99 ms"]["per_minute"] == pytest.approx(60, rel=0.02)
    assert found["broker memory MB"]["per_minute"] == pytest.approx(2.0)
    assert found["state store behind, s"]["per_minute"] == pytest.approx(0.0)
    assert found["orders/s"]["error"] == pytest.approx(0.0, abs=1e-9)


def test_what_is_flat_has_none() -> None:
    assert dict(soak.slopes(soaked(0)))["p99 ms"]["per_minute"] == pytest.approx(0.0)


def test_too_short_a_soak_has_no_slope() -> None:
    assert dict(soak.slopes(Run("soak", 1, 1, 1.0, 1.0, 1.0, windows=[Latencies([1])] * 3))) == {}


# -- the sink


def test_the_sink_counts_from_the_end_of_its_first_group(tmp_path: Path) -> None:
    counted = Counted(5, tmp_path / "result.json")
    with Nowhere().transaction() as transaction:
        assert counted.apply(transaction, [b""] * 2) == [Done(), Done()]
        assert not (tmp_path / "result.json").exists()
        counted.apply(transaction, [b""] * 4)
        counted.apply(transaction, [b""] * 4)
    found = json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))
    assert found["messages"] == 4
    assert found["seconds"] >= 0


def test_the_sink_takes_a_message_as_it_is() -> None:
    assert payload(SimpleNamespace(data=b"x")) == b"x"  # type: ignore[arg-type]


def test_the_sink_is_packed_whole_and_accepts_its_configuration(tmp_path: Path) -> None:
    config = intake.config_of(tmp_path, "direct", 10, tmp_path / "result.json")
    package = packages.build(config, tmp_path / "build", intake.tree_in(tmp_path))
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path / "unpacked")
    source = tmp_path / "unpacked" / package.stem / "src"
    program = (
        "import importlib, json, sys; from alpes_runtime.config import parse_config; "
        "module, _, name = sys.argv[1].rpartition('.'); "
        "parse_config(getattr(importlib.import_module(module), name).Config, json.loads(sys.argv[2]))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, config.class_name, json.dumps(config.user_config)],
        cwd=tmp_path,
        env={"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# -- the plain program


def test_the_plain_program_stands_in_for_the_function() -> None:
    config = function_configs.load()["ordenes"]
    # Pulsar's REST API gives numbers back as floats.
    user_config = {key: float(value) if type(value) is int else value for key, value in config.user_config.items()}
    client: Any = SimpleNamespace(endpoint="endpoint")
    host = plain.PlainHost(config, user_config, client, find_table := lambda: "table")
    assert (host.name, host.namespace, host.subscription) == ("ordenes", config.namespace, "ordenes")
    assert host.inputs == config.inputs
    assert host.output == config.values["output"]
    assert (host.client, host.endpoint, host.state_table) == (client, client.endpoint, find_table)
    assert host.runtime_consumers == {}
    assert parse_config(OrdenesConfig, host.user_config).batch_max == config.user_config["batch_max"]
    host.count(1, 1)
    host.record("metric", 1.0)


def serve_noting(link: Link, noted: Path) -> None:
    """Serve Ordenes with a runner that notes what happens to it."""

    class Runner:
        def __init__(self, *_wiring: object) -> None:
            noted.write_text(f"made with {os.environ['ALPES_ORDENES_DSN']}", encoding="utf-8")

        def start(self) -> None:
            noted.write_text(noted.read_text(encoding="utf-8") + ", started", encoding="utf-8")

        def stop(self) -> None:
            noted.write_text(noted.read_text(encoding="utf-8") + ", drained", encoding="utf-8")

    config = function_configs.load()["ordenes"]
    with mock.patch.multiple(plain, Runner=Runner, bootstrap=lambda *_wiring: None):
        variables = {"PULSAR_SERVICE_URL": "pulsar://127.0.0.1:1", "ALPES_ORDENES_DSN": "its own"}
        plain.serve(link, "ordenes", config.user_config, variables, None)


def test_the_plain_program_serves_until_it_is_let_go_and_drains_then(tmp_path: Path) -> None:
    with Child(serve_noting, tmp_path / "noted") as child:
        child.ready()
        assert (tmp_path / "noted").read_text(encoding="utf-8") == "made with its own, started"
    assert (tmp_path / "noted").read_text(encoding="utf-8") == "made with its own, started, drained"
