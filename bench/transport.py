"""The limit of the transport: `pulsar-perf` of the distribution, producing and consuming at once on the same broker."""

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
"""More than it can do: without a rate it sends 100 a second."""
START_S = 60.0
SUMMARY = re.compile(r"Aggregated throughput stats --- +(\d+) records (sent|received) --- +([\d.,]+) msg/s")


def limit(system: System, settings: Settings, seconds: int, size: int) -> float:
    """Return messages a second that went through from one end to the other, measured with ``size`` bytes each.

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
            # Whoever isn't read stops when its pipe is full: a few lines every ten seconds don't fill one.
            return min(_rate(produce, "sent", seconds), _rate(consume, "received", seconds))
    finally:
        system.api.delete(f"/admin/v2/persistent/{name}?force=true")


def summary(output: str, what: str) -> float | None:
    """Return the messages a second that `pulsar-perf` says at its end it has ``sent`` or ``received``; pure."""
    found = [match for match in SUMMARY.finditer(output) if match[2] == what]
    return float(found[-1][3].replace(",", "")) if found else None


@contextmanager
def _perf(settings: Settings, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    own: list[Any] = [settings.home / "conf" / "client.conf", *arguments]
    # What it measured it says by its log.
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
        words = next(reversed([line for line in output.splitlines() if line.strip()]), "it said nothing")
        raise BenchError(f"pulsar-perf says no messages {what}: {words}")
    return rate
