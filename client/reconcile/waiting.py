"""Which inputs have nothing waiting: what would take an order further does not lie there."""

from __future__ import annotations

from collections.abc import Callable

from client.admin import Admin
from client.reconcile.rules import DOWNSTREAM, ORDENES_RETRIES, Input
from client.topics import NAMESPACE


def idle_inputs(admin: Admin, timers: Callable[[], int]) -> set[Input]:
    """Give the inputs that had nothing waiting or unacknowledged, also while they were all looked at, twice.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    timers
        Counts the timers that wait among the retries of Ordenes.
    """
    idle = set(DOWNSTREAM)
    for _ in range(2):
        for source in DOWNSTREAM:
            waiting = _waiting(admin, source)
            if source == ORDENES_RETRIES:
                waiting -= timers()
            if waiting > 0:
                idle.discard(source)
    return idle


def _waiting(admin: Admin, source: Input) -> int:
    stats = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{source.topic}/partitioned-stats?getPreciseBacklog=true")
    subscription = stats["subscriptions"].get(source.function)
    # Nobody has ever read it: everything in it waits.
    return int(stats["msgInCounter"] + 1 if subscription is None else subscription["msgBacklog"])
