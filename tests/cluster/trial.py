"""Faults on the cluster: orders come in at a steady rate, things break one after another, and all is checked."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tests.cluster import table
from tests.cluster.cluster import Cluster
from tests.e2e.tienda import ROOT, Tienda, note, wait_until
from tests.faults.ordeal import Ordeal, Size
from tests.faults.probes import Sample

RATE = float(os.environ.get("ALPES_CLUSTER_RATE") or 500)
"""Orders a second. How many two cores bear with all of a cluster on them is still to be measured."""
LEAST = 6_000
CALM_S = 8.0
FLOW_AGAIN_S = 60.0
"""Within this time after a process was killed, or after an outage or a cut has ended, orders end again."""
VIEW_S = 120.0
"""Within this time the state store shows every order."""
LATEST = time.monotonic() + float(os.environ.get("ALPES_CLUSTER_SECONDS") or "inf")
"""No fault begins later."""
PAUSE_S = 2.0
"""A longer time without an ended order is a pause."""
RECOVERED_S = 240.0


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and is mended again.

    Attributes
    ----------
    name
        What breaks, for the table.
    happen
        Breaks it, and mends it.
    operator
        What a person has to do about it.
    outage
        Whether nothing is expected to go on before it is mended; else a process is killed at its beginning.
    """

    name: str
    happen: Callable[[Cluster], None]
    operator: str = "do nothing"
    outage: bool = False


class Trial:
    """Orders under way on the cluster while faults happen.

    Parameters
    ----------
    cluster, tienda
        The system.
    """

    def __init__(self, cluster: Cluster, tienda: Tienda) -> None:
        self._cluster = cluster
        self._tienda = tienda
        # The state store is a view that may lag: no order waits for it. How far it lags is told apart.
        size = Size(LEAST, RATE, RECOVERED_S)
        self._ordeal = Ordeal(tienda, "cluster", total=True, size=size, with_state=False)
        self._lines: list[table.Line] = []

    def run(self, faults: Sequence[Fault]) -> list[table.Line]:
        """Let the faults happen one after another, judge all of it, and return the table's lines."""
        ordeal = self._ordeal
        try:
            with ordeal:
                time.sleep(CALM_S)
                for fault in faults:
                    if time.monotonic() > LATEST:
                        print(f"no time is left for: {fault.name}")
                        break
                    self._happen(fault)
                ordeal.finish(seconds=RECOVERED_S, idle_seconds=90, with_report=False)
        finally:
            self._judged()
        lag_s = wait_until(self._tienda.state_is_current, VIEW_S, "the state store shows every order")
        note(f"the state store showed every order {lag_s:.0f} s after the last one had ended")
        return self._lines

    def _happen(self, fault: Fault) -> None:
        ordeal, before = self._ordeal, len(self._cluster.restarted)
        with ordeal.fault():
            fault.happen(self._cluster)
        last = ordeal.faults[-1]
        since = last.end if fault.outage else last.start
        ordeal.wait_normal(RECOVERED_S)
        seen = [sample for sample in ordeal.probe.samples if sample.at >= last.start - PAUSE_S]
        pause_s, over_s = pauses(seen, since)
        line = table.Line(
            fault=fault.name,
            rate=RATE,
            longest_pause_s=pause_s,
            flow_again_s=over_s,
            normal_again_s=time.time() - since,
            supervisor=", ".join(self._cluster.restarted[before:]) or "nothing",
            operator=fault.operator,
        )
        self._lines.append(line)
        print(line, flush=True)

    def _judged(self) -> None:
        """Write the lines with what the checker says of all that happened."""
        verdict = self._ordeal.verdict
        figures = verdict.figures if verdict else {}
        self._lines = [
            replace(
                line,
                orders=figures.get("accepted", 0),
                duplicates=figures.get("duplicates", 0),
                lost=figures.get("lost", -1),
                paid_twice=figures.get("paid_twice", -1),
                verdict=verdict.name if verdict else "unknown",
            )
            for line in self._lines
        ]
        table.add(self._lines, ROOT / "build")


def pauses(samples: Sequence[Sample], since: float) -> tuple[float, float]:
    """Return the longest pause in the flow, and how many seconds after a moment the last pause was over, 0 for none.

    Parameters
    ----------
    samples
        What was seen, in the order of time.
    since
        Unix seconds.
    """
    longest, over, at, ended = 0.0, since, None, 0
    for sample in samples:
        if at is None or sample.ended > ended or sample.sent <= ended:
            if at is not None and sample.ended > ended:
                longest = max(longest, sample.at - at)
                if sample.at > since and sample.at - at > PAUSE_S:
                    over = sample.at
            at, ended = sample.at, sample.ended
    return longest, over - since
