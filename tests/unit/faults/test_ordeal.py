"""An ordeal waits until the flow is normal again, and holds outages against the limit that its size names."""

from typing import cast

import pytest

from connection.client import Client
from tests.e2e.tienda import Tienda
from tests.faults.ordeal import Ordeal, Size
from tests.faults.probes import EVERY_S, HOLDS_S, Sample
from tests.faults.progress import Fault

RATE = 100.0
START, END = 1_000.0, 1_002.0


class Still(Tienda):
    """A system whose topics are empty."""

    def admin(self, method: str, path: str, body: object = None) -> dict[str, str]:
        return {"lastConfirmedEntry": "1:-1"}


def ordeal(behind_s: float, calm_s: float, recovery_s: float = 15.0) -> Ordeal:
    """Return an ordeal with an outage after which orders were behind for some seconds."""
    made = Ordeal(
        Still("", "", "", {"reporting": ""}, cast("Client", None), {}),
        "a fault",
        size=Size(0, RATE, recovery_s),
        seed="1",
    )
    made.faults.append(Fault(START, END, total=True))
    for n in range(round((behind_s + calm_s) / EVERY_S) + 1):
        under_way = 500 if n * EVERY_S < behind_s else 5
        made.probe.samples.append(Sample(END + n * EVERY_S, 1_000 + under_way, 1_000))
    return made


def test_it_waits_until_the_flow_stays_normal() -> None:
    assert ordeal(3.0, HOLDS_S).wait_normal(1) == pytest.approx(3.0)
    with pytest.raises(AssertionError, match="the flow is normal again"):
        ordeal(3.0, HOLDS_S / 2).wait_normal(0.3)


def test_an_outage_is_held_against_the_limit_of_the_size() -> None:
    ordeal(12.0, HOLDS_S, recovery_s=15.0)._see_progress()
    with pytest.raises(AssertionError, match=r"seed 1: fault 1: normal again only after 12\.0 s, not within 10 s"):
        ordeal(12.0, HOLDS_S, recovery_s=10.0)._see_progress()


def test_the_longest_recovery_that_was_seen_is_told_also_where_nobody_waited_for_it() -> None:
    late = ordeal(12.0, HOLDS_S)
    late.faults.append(Fault(END + 30, END + 31, total=True))
    assert late._longest_recovery() == pytest.approx(12.0)
