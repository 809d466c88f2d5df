"""Measures the limit of the transport with Pulsar's `pulsar-perf`: it produces and consumes at once on the broker."""

import os
import re
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bench.errors import BenchError
from bench.system import System
from local_stack import java
from local_stack.settings import Settings
from terminal import progress

OPTIONS = ("-Xms256m", "-Xmx256m", "-XX:MaxDirectMemorySize=256m", "-XX:+UseParallelGC", "-Xlog:gc=off")
MOST_PER_S = 1_000_000
"""A rate above what `pulsar-perf` can do. Without one, it sends 100 a second."""
START_S = 60.0
SUMMARY = re.compile(r"Aggregated throughput stats --- +(\d+) records (sent|received) --- +([\d.,]+) msg/s")


def limit(system: System, settings: Settings, seconds: int, size: int) -> float:
    """Return how many messages of ``size`` bytes a second the broker passed from a producer to a consumer.

    Raises
    ------
    BenchError
        `pulsar-perf` fails.
    """
    name = f"public/default/bench-{uuid.uuid4().hex[:8]}"
    topic = f"persistent://{name}"
    common = ["--service-url", system.service_url, "--test-duration", str(seconds)]
    try:
        with (
            progress.step("Measuring the transport with pulsar-perf", "The transport was measured"),
            _perf(settings, "consume", *common, "--subscription-position", "Earliest", topic) as consume,
            _perf(settings, "produce", *common, "-r", str(MOST_PER_S), "-s", str(size), topic) as produce,
        ):
            # The consumer's output isn't read meanwhile. Its few lines every ten seconds don't fill the pipe.
            return min(_rate(produce, "sent", seconds), _rate(consume, "received", seconds))
    finally:
        system.api.delete(f"/admin/v2/persistent/{name}?force=true")


def summary(output: str, what: str) -> float | None:
    """Return the messages a second that `pulsar-perf` reports as ``sent`` or ``received``; None without any. Pure."""
    found = [match for match in SUMMARY.finditer(output) if match[2] == what]
    return float(found[-1][3].replace(",", "")) if found else None


@contextmanager
def _perf(settings: Settings, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    own: list[Any] = [settings.home / "conf" / "client.conf", *arguments]
    # `pulsar-perf` logs its results at level info.
    options = (*OPTIONS, "-Dpulsar.log.level=info", "-Dpulsar.log.root.level=info")
    command = java.command(settings, java.PERF, own, options)
    with subprocess.Popen(
        command, env={**os.environ, **java.LOCALE}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _rate(process: "subprocess.Popen[str]", what: str, seconds: int) -> float:
    try:
        output, _ = process.communicate(timeout=seconds + START_S)
    except subprocess.TimeoutExpired:
        raise BenchError(f"pulsar-perf did not end {START_S:.0f} s after its time.") from None
    rate = summary(output, what)
    if rate is None:
        words = next(reversed([line for line in output.splitlines() if line.strip()]), "(no output)")
        raise BenchError(f"pulsar-perf reports no messages {what}. Its last line: {words}")
    return rate
