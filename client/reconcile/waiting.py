"""Which inputs have nothing waiting: what would take an order further does not lie there."""

from __future__ import annotations

import pulsar

from client.admin import Admin
from client.reconcile.rules import DOWNSTREAM, ORDENES_RETRIES, Input
from client.reconcile.timers import only_timers
from client.topics import NAMESPACE


def idle_inputs(client: pulsar.Client, admin: Admin) -> set[Input]:
    """Give the inputs that had nothing waiting or unacknowledged, also while they were all looked at, twice.

    Timers don't count: they wait among the retries of Ordenes, and which orders they look at is in its database.

    Parameters
    ----------
    client, admin
        Connected.
    """
    idle = set(DOWNSTREAM)
    for _ in range(2):
        for source in DOWNSTREAM:
            if source in idle and not _is_idle(client, admin, source):
                idle.discard(source)
    return idle


def _is_idle(client: pulsar.Client, admin: Admin, source: Input) -> bool:
    waiting = _waiting(admin, source)
    return waiting == 0 or (source == ORDENES_RETRIES and only_timers(client, admin, source, waiting))


def _waiting(admin: Admin, source: Input) -> int:
    stats = admin.get(f"/admin/v2/persistent/{NAMESPACE}/{source.topic}/partitioned-stats?getPreciseBacklog=true")
    subscription = stats["subscriptions"].get(source.function)
    # Nobody has ever read it: everything in it waits.
    return int(stats["msgInCounter"] + 1 if subscription is None else subscription["msgBacklog"])
