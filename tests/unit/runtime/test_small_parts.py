"""The runtime's small parts: named queries, traces, the lock, rates, and what is taken from Pulsar's instance."""

import logging
import re
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alpes_runtime import load_queries
from alpes_runtime._compute_lock import ComputeLock
from alpes_runtime._context import InstanceContext, RateMeter
from alpes_runtime._pulsar_host import PulsarHost, running_instance
from alpes_runtime._state import open_state
from alpes_runtime.clock import SystemClock
from alpes_runtime.errors import Misconfigured
from alpes_runtime.tracing import child_traceparent, valid_traceparent
from functions.reporting.function import ReportingConfig

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def sql_file(folder: Path, text: str) -> Path:
    path = folder / "queries.sql"
    path.write_text(text)
    return path


def test_queries_are_found_by_name(tmp_path: Path) -> None:
    text = "-- A file.\n-- name: one\nSELECT 1;\n\n-- of two\n-- name: two\nSELECT\n    2\n"
    assert load_queries(sql_file(tmp_path, text)) == {"one": "SELECT 1;\n\n-- of two", "two": "SELECT\n    2"}


def test_one_name_for_two_queries_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"queries\.sql: two queries are named one"):
        load_queries(sql_file(tmp_path, "-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n"))


def test_a_file_without_a_named_query_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no line"):
        load_queries(sql_file(tmp_path, "SELECT 1"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "garbage",
        PARENT.upper(),
        PARENT + "\n",
        PARENT + "-more",
        PARENT.replace("00-", "01-", 1),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_a_broken_trace_is_no_trace(text: str) -> None:
    assert valid_traceparent(text) == ""


def test_a_valid_trace_is_continued_with_a_span_of_the_event() -> None:
    child = child_traceparent(PARENT, "order", "event")
    assert valid_traceparent(PARENT) == PARENT
    assert child.split("-")[1] == PARENT.split("-")[1]
    assert child.split("-")[2] != PARENT.split("-")[2]
    assert child == child_traceparent(PARENT, "another order", "event")


@given(parent=st.sampled_from(["", PARENT]), trace=st.text(max_size=20), span=st.text(max_size=20))
def test_an_events_trace_is_always_valid_and_always_the_same(parent: str, trace: str, span: str) -> None:
    child = child_traceparent(parent, trace, span)
    assert valid_traceparent(child) == child
    assert child == child_traceparent(parent, trace, span)


def test_two_events_of_one_order_share_a_trace_and_no_span() -> None:
    one, two = child_traceparent("", "order", "a"), child_traceparent("", "order", "b")
    assert one.split("-")[1] == two.split("-")[1]
    assert one.split("-")[2] != two.split("-")[2]


def test_while_its_holder_waits_another_has_the_lock() -> None:
    lock, taken = ComputeLock(), threading.Event()

    def take() -> None:
        with lock:
            taken.set()

    other = threading.Thread(target=take)
    with lock:
        other.start()
        assert not taken.wait(0.05)
        with lock.released():
            assert taken.wait(5)
    other.join(5)


def test_the_lock_is_held_again_after_an_error_while_it_was_released() -> None:
    lock = ComputeLock()

    def fail() -> None:
        with lock.released():
            raise ZeroDivisionError

    with lock, pytest.raises(ZeroDivisionError):
        fail()
    with lock:
        pass


class Time:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_the_rate_is_that_of_the_last_second() -> None:
    time = Time()
    meter = RateMeter(time)
    assert meter.per_second() == 0
    for _ in range(10):
        meter.add(100)
        time.now += 0.1
    assert meter.per_second() == pytest.approx(1000, rel=0.02)


def test_a_burst_is_seen_before_its_second_is_over() -> None:
    meter = RateMeter(Time())
    meter.add(5000)
    assert meter.per_second() == 5000


def test_an_idle_instance_has_no_rate() -> None:
    time = Time()
    meter = RateMeter(time)
    meter.add(1000)
    time.now += 1
    meter.per_second()
    time.now += 1
    assert meter.per_second() == 0


def test_the_system_clock_waits_no_longer_than_the_stop() -> None:
    stopping = threading.Event()
    stopping.set()
    clock = SystemClock()
    before = clock.monotonic()
    assert clock.wait(stopping, 60)
    assert clock.monotonic() - before < 30
    assert not clock.wait(threading.Event(), 0.001)


def context(**more: Any) -> SimpleNamespace:
    return SimpleNamespace(
        get_logger=lambda: logging.getLogger("tests"),
        get_user_config_map=lambda: None,
        get_function_name=lambda: "ordenes",
        get_function_tenant=lambda: "alpes",
        get_function_namespace=lambda: "tienda",
        get_instance_id=lambda: 3,
        get_input_topics=lambda: ["persistent://alpes/tienda/crear-orden", "persistent://alpes/x/ordenes-reintento"],
        get_output_topic=lambda: None,
        **more,
    )


def test_a_context_with_nothing_but_the_documented_is_enough() -> None:
    host = PulsarHost(context())
    assert (host.subscription, host.runtime_consumers, host.state_table, host.output) == (None, None, None, "")
    assert host.user_config == {}
    host.count(3, 2)


def test_what_a_context_has_beyond_is_used() -> None:
    counted: dict[str, int] = {}

    class Counter:
        def __init__(self, name: str) -> None:
            self.name = name

        def inc(self, amount: int) -> None:
            counted[self.name] = counted.get(self.name, 0) + amount

    stats = SimpleNamespace(
        _stat_total_received=Counter("received"), _stat_total_processed_successfully=Counter("processed")
    )
    source = SimpleNamespace(subscriptionName="alpes-ordenes")
    config = SimpleNamespace(function_details=SimpleNamespace(source=source))
    host = PulsarHost(
        context(
            stats=stats, instance_config=config, consumers={"t": 1}, state_context=SimpleNamespace(__table__="table")
        )
    )
    host.count(3, 2)
    assert counted == {"received": 3, "processed": 2}
    assert (host.subscription, host.runtime_consumers) == ("alpes-ordenes", {"t": 1})
    assert host.state_table is not None
    assert host.state_table() == "table"
    source.subscriptionName = ""
    assert host.subscription == "alpes/tienda/ordenes"


def test_the_retry_topic_is_the_input_of_that_name_or_none() -> None:
    host = PulsarHost(context())
    instance = InstanceContext(host, ReportingConfig(dsn_env="X"))
    assert instance.retry_input == "persistent://alpes/x/ordenes-reintento"
    host.inputs = []
    assert instance.retry_input is None


def test_without_a_state_store_the_function_names_the_switch_that_does_without() -> None:
    with pytest.raises(Misconfigured, match=re.escape("userConfig state_per_order: false")):
        open_state(None, ComputeLock(), "state_per_order")


class PythonInstance:
    """Like Pulsar's instance, it constructs the function some frames down, and gets its context a moment later."""

    def __init__(self, function: Any) -> None:
        self.instance_config = "config"
        self.contextimpl = None
        self.function = self.load(function)

    def load(self, function: Any) -> Any:
        return function()


class Function:
    def __init__(self) -> None:
        self.instance = self.find()

    def find(self) -> Any:
        return running_instance()


def test_a_function_finds_the_instance_that_constructs_it() -> None:
    instance = PythonInstance(Function)
    assert instance.function.instance is instance


def test_a_function_that_a_test_constructs_has_no_instance() -> None:
    assert Function().instance is None


def test_the_instance_is_not_looked_for_beyond_the_frames_near_by() -> None:
    def deep(levels: int) -> Any:
        return deep(levels - 1) if levels else Function()

    assert PythonInstance(lambda: deep(20)).function.instance is None
