"""Has Pulsar spread instances over its workers after a change, as far as its scheduler does so.

Pulsar's scheduler gives a new instance to the worker with the fewest instances of all functions. It never looks at
which functions they are of, and nothing that a function says changes that. A rebalance moves instances from the fullest
worker to the emptiest one until their numbers differ by one at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from autoscale.load import Load
from connection.admin import Admin
from connection.errors import RefusedError, SecurityError

ASSIGNMENTS, REBALANCE = "/admin/v2/worker/assignments", "/admin/v2/worker/rebalance"


class Spreading:
    """Looks after the placement of functions that were changed.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    """

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._changed: dict[str, int] = {}

    def changed(self, function: str, instances: int) -> None:
        """Note that a function's number of instances was changed."""
        self._changed[function] = instances

    def after(self, function: str, load: Load) -> str:
        """See to the placement once all instances run; return what there is to say, empty if nothing.

        Raises
        ------
        connection.errors.PulsarError
            Pulsar doesn't answer.
        """
        if not self._changed.get(function) == load.wanted == load.running == len(load.on):
            return ""
        del self._changed[function]
        if load.workers is None or load.workers < 2:
            return "" if load.workers else "how instances are spread can't be seen: this role may not list workers"
        try:
            held: Mapping[str, list[str]] = self._admin.get(ASSIGNMENTS)
            if uneven(map(len, held.values()), load.workers):
                self._admin.put(REBALANCE)
                return "instances are unevenly spread over the workers: asked Pulsar to rebalance them"
        except (SecurityError, RefusedError) as error:
            return f"how instances are spread can't be seen to: {error}"
        (worker, most), *others = Counter(load.on).most_common()
        if others or most == 1:
            return ""
        return (
            f"all {most} instances run on worker {worker}: Pulsar evens out how many instances a worker has, not of"
            " which functions"
        )


def uneven(instances: Iterable[int], workers: int) -> bool:
    """Whether Pulsar's rebalance would move an instance: workers differ by more than one. Pure.

    Parameters
    ----------
    instances
        How many each worker has, of those that have any.
    workers
        How many workers there are.
    """
    each = list(instances)
    each += [0] * (workers - len(each))
    return max(each, default=0) - min(each, default=0) > 1
