"""Runs the load generator `wrk` against the HTTP API."""

import json
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import NamedTuple

from bench.errors import BenchError, NotReachableError

SCRIPT = Path(__file__).with_name("orders.lua")
THREADS = 1
TIMEOUT_S = 30


class Posted(NamedTuple):
    """What `wrk` measured.

    Attributes
    ----------
    requests : int
        Requests that were answered.
    seconds : float
        How long it sent them.
    refused, broken : int
        Of these, answers of 400 and above; and connections that failed, or answers that took too long.
    p50_ms, p99_ms, max_ms : float
        Time from a request to its answer.
    """

    requests: int
    seconds: float
    refused: int
    broken: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def taken(self) -> int:
        """Orders that were answered with 202."""
        return self.requests - self.refused

    @property
    def per_second(self) -> float:
        """Orders a second that were answered with 202."""
        return self.taken / self.seconds


def post(url: str, *, connections: int, seconds: int, keyed: bool) -> Posted:
    """Post orders for so many seconds, each connection one after another.

    Raises
    ------
    NotReachableError
        `wrk` isn't installed.
    BenchError
        It failed.
    """
    program = shutil.which("wrk")
    if program is None:
        raise NotReachableError("The load generator wrk is not installed: on Debian, apt-get install wrk.")
    command = [program, f"-t{THREADS}", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s"]
    kind = "keyed" if keyed else "plain"
    done = subprocess.run(
        [*command, "-s", str(SCRIPT), url, "--", kind, uuid.uuid4().hex], capture_output=True, text=True, check=False
    )
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0 or not lines:
        raise BenchError(f"wrk failed: {' '.join((done.stderr or done.stdout).split())[:300]}")
    return Posted(**json.loads(lines[-1]))
