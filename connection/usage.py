"""Asks Pulsar what a function's instances use and have done, and where they run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connection.admin import Admin
from connection.functions import Instances

METRIC = "user_metric_{}_sum"
CPU_CORES, MEMORY_BYTES = METRIC.format("use.cpu_cores"), METRIC.format("use.memory_bytes")
FREE_MEMORY_BYTES, DISK_SHARE = METRIC.format("use.free_memory_bytes"), METRIC.format("use.disk_share")
"""The runtime's user metrics, as Pulsar's function stats show them."""


@dataclass(frozen=True)
class Usage:
    """What one instance uses and has done.

    Attributes
    ----------
    worker : str
        The function worker that runs it.
    processed : int
        Messages that it has processed since its start.
    cpu_cores : float or None
        The cores that it kept busy lately. This and the following are None until it has told: for some seconds after
        its start, and for ever if its runtime is older than these metrics.
    memory_bytes, free_memory_bytes : int or None
        What it uses, and what its machine or container has left.
    disk_share : float or None
        The used share, 0 to 1, of its fuller file system.
    """

    worker: str
    processed: int
    cpu_cores: float | None
    memory_bytes: int | None
    free_memory_bytes: int | None
    disk_share: float | None


def usage(admin: Admin, path: str, found: Instances) -> dict[int, Usage]:
    """Return what a function's running instances use, by their numbers.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    path
        The function's path there, such as ``/admin/v3/functions/alpes/tienda/ordenes``.
    found
        Its instances.
    """
    stats = admin.find(f"{path}/stats") or {}
    workers = {each.number: each.worker for each in found.each if each.running}
    return {
        number: _usage(workers[number], each.get("metrics") or {})
        for each in stats.get("instances") or []
        if (number := int(each["instanceId"])) in workers
    }


def _usage(worker: str, metrics: Mapping[str, Any]) -> Usage:
    own: Mapping[str, float] = metrics.get("userMetrics") or {}
    return Usage(
        worker=worker,
        processed=int(metrics.get("processedSuccessfullyTotal") or 0),
        cpu_cores=own.get(CPU_CORES),
        memory_bytes=_whole(own.get(MEMORY_BYTES)),
        free_memory_bytes=_whole(own.get(FREE_MEMORY_BYTES)),
        disk_share=own.get(DISK_SHARE),
    )


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
