"""An instance records what it uses as gauges: the sum of each metric is its present value."""

import os
from collections import defaultdict
from pathlib import Path

import pytest

from alpes_runtime import _usage
from alpes_runtime._usage import CPU_CORES, DISK_SHARE, FREE_MEMORY_BYTES, MEMORY_BYTES, Usage
from alpes_runtime.testing import FakeClock, FakeHost, instance_context


def sums(host: FakeHost) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for metric, value in host.recorded:
        found[metric] += value
    return found


def test_the_sum_of_each_metric_is_the_present_value() -> None:
    clock, host, used_s = FakeClock(), FakeHost(), [3.0]
    usage = Usage(instance_context(host=host, clock=clock), lambda: used_s[0])
    clock.now += 5
    used_s[0] += 4.5
    usage.record()
    assert sums(host)[CPU_CORES] == pytest.approx(0.9)
    clock.now += 5
    used_s[0] += 0.5
    usage.record()
    assert sums(host)[CPU_CORES] == pytest.approx(0.1)
    assert sums(host)[MEMORY_BYTES] > 10_000_000
    assert sums(host)[FREE_MEMORY_BYTES] > 0
    assert 0 < sums(host)[DISK_SHARE] <= 1


def test_it_records_until_the_instance_stops() -> None:
    host = FakeHost()
    context = instance_context(host=host)
    context.clock = FakeClock(lambda _: context.stopping.set() if sums(host) else None)
    Usage(context).watch()
    assert context.stopping.is_set()


def test_what_the_machine_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    usage = Usage(instance_context(host=host))

    def refused() -> float:
        raise FileNotFoundError("/proc/self/statm")

    monkeypatch.setattr(_usage, "memory_bytes", refused)
    usage.record()
    assert MEMORY_BYTES not in sums(host)
    assert FREE_MEMORY_BYTES in sums(host)


def processes(proc: Path, pages: dict[str, int], children: str) -> Path:
    for pid, number in pages.items():
        (proc / pid).mkdir(parents=True)
        (proc / pid / "statm").write_text(f"9999 {number} 1 1 0 1 0\n")
    task = proc / "self" / "task" / "7"
    task.mkdir(parents=True)
    (task / "children").write_text(children)
    return proc


def test_the_memory_of_a_report_in_the_making_counts_as_the_instances(tmp_path: Path) -> None:
    # 43 has just ended.
    proc = processes(tmp_path, {"self": 100, "42": 20}, "42 43 ")
    assert _usage.memory_bytes(proc) == 120 * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("pid", "limits", "free"),
    [
        (42, {}, 8_000 * 1024),
        (42, {"memory.max": "max\n", "memory.current": "1\n"}, 8_000 * 1024),
        (42, {"memory.max": "2000000\n", "memory.current": "1500000\n"}, 500_000),
        (42, {"memory.max": "2000000\n", "memory.current": "2500000\n"}, 0),
        (1, {"memory.max": "2000000\n", "memory.current": "1500000\n"}, 8_000 * 1024),
    ],
)
def test_a_container_has_what_its_limit_leaves_unless_it_holds_this_instance_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pid: int, limits: dict[str, str], free: int
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: pid)
    (tmp_path / "meminfo").write_text("MemTotal:  16000 kB\nMemFree:  10 kB\nMemAvailable:  8000 kB\n")
    for name, text in limits.items():
        (tmp_path / name).write_text(text)
    assert _usage.free_memory_bytes(tmp_path, tmp_path) == free
