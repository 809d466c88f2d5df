"""Asks Pulsar for its own figures: what was sent, what waits, the instances of each function, and the totals."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from connection import functions
from connection.admin import Admin
from connection.errors import PulsarError, RefusedError
from connection.functions import Instances, Trouble
from schemas.tienda import money
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.topics import CREAR_ORDEN, NAMESPACE, full_name

TOTALS_EVERY_S = 5.0
"""How often the totals are read: each one is a request of its own."""
MOST_CURRENCIES = 10
"""The totals of so many currencies are read at most."""
PATH = f"/admin/v3/functions/{NAMESPACE}"


@dataclass(frozen=True)
class Input:
    """What waits in one input of a function.

    Attributes
    ----------
    topic : str
        Its short name.
    batches : int or None
        Entries that wait and are due; None if the function has no subscription there.
    messages : int or None
        The messages in them. Pulsar counts entries alone, so this is by how many messages an entry of this consumer
        has held on average; None if that isn't known.
    not_due : int or None
        Delayed messages whose time hasn't come.
    """

    topic: str
    batches: int | None
    messages: int | None
    not_due: int | None


@dataclass(frozen=True)
class Function:
    """How one function is.

    Attributes
    ----------
    name : str
        Its name.
    instances : Instances or None
        Its instances; None if it doesn't exist any more.
    inputs : tuple of Input
        What waits for it.
    troubles : tuple of Trouble
        What it reports.
    problem : str
        Why nothing of this is known; empty otherwise.
    """

    name: str
    instances: Instances | None
    inputs: tuple[Input, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return what the page shows of it."""
        found = self.instances
        return {
            "name": self.name,
            "problem": self.problem,
            "wanted": found.wanted if found else None,
            "running": found.running if found else None,
            "stopped": found.stopped if found else None,
            "restarts": found.restarts if found else None,
            "error": found.error[:300] if found else "",
            "inputs": [vars(each) for each in self.inputs],
            "troubles": [each._asdict() for each in self.troubles],
        }


class Figures:
    """Reads the figures again and again; used by one thread.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    """

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self._sent: tuple[float, int] | None = None
        self._totals = _unknown("not read yet")
        self._totals_at = 0.0

    def sent_per_s(self) -> float | None:
        """Return how many orders a second were sent since the last call; None if that isn't known yet.

        Raises
        ------
        PulsarError
            If the admin API doesn't answer.
        """
        stats = functions.topic_stats(self._admin, full_name(CREAR_ORDEN))
        now, count, before = time.monotonic(), stats.get("msgInCounter"), self._sent
        self._sent = None if count is None else (now, int(count))
        if count is None or before is None or count < before[1] or now <= before[0]:
            # A broker that was restarted counts from zero.
            return None
        return round(float(count - before[1]) / (now - before[0]), 1)

    def functions(self) -> list[Function]:
        """Return how each function of the shop is.

        Raises
        ------
        PulsarError
            If the functions can't be listed.
        """
        return [self._function(name) for name in sorted(self._admin.get(PATH))]

    def _function(self, name: str) -> Function:
        path = f"{PATH}/{quote(name, safe='')}"
        try:
            config = self._admin.find(path)
            if config is None:
                return Function(name, None, problem="it was deleted just now")
            subscription = config.get("subName") or f"{NAMESPACE}/{name}"
            inputs = tuple(self._input(topic, subscription) for topic in sorted(config.get("inputSpecs") or {}))
            waits = [functions.Waiting(each.topic, each.batches, each.not_due) for each in inputs]
            found = functions.instances(self._admin, path)
            return Function(name, found, inputs, tuple(functions.troubles(self._admin, path, waits)))
        except PulsarError as error:
            return Function(name, None, problem=str(error))
        except (KeyError, TypeError, ValueError):
            return Function(name, None, problem="Pulsar's answer about it is not as expected")

    def _input(self, topic: str, subscription: str) -> Input:
        stats = functions.topic_stats(self._admin, topic)
        waiting = functions.waiting(stats, topic, subscription)
        return Input(waiting.topic, waiting.messages, waiting.about, waiting.not_due)

    def totals(self, currencies: Iterable[str]) -> dict[str, Any]:
        """Return the totals of all orders, as Reporting's view in the state store shows them.

        Parameters
        ----------
        currencies
            Those of the last minutes. Their amounts are read first, then those of the others that have orders.
        """
        if time.monotonic() - self._totals_at >= TOTALS_EVERY_S:
            self._totals_at = time.monotonic()
            try:
                self._totals = self._read_totals(set(currencies))
            except PulsarError as error:
                self._totals = _unknown(str(error))
        return self._totals

    def _read_totals(self, recent: set[str]) -> dict[str, Any]:
        orders = {status: self._number(f"total:{status}") for status in FINAL_STATUSES}
        with_orders = set((self._state("currencies") or "").split())
        every = [*sorted(recent), *sorted(with_orders - recent)]
        amounts = {}
        for currency in every[:MOST_CURRENCIES]:
            for status in FINAL_STATUSES:
                cents = self._number(f"total_cents:{status}:{currency}")
                # A currency has a key of each status, and most are 0.
                if cents is not None and (cents or currency in recent):
                    amounts[f"{status}:{currency}"] = money.amount(cents, currency)
        return {"problem": "", "orders": orders, "amounts": amounts, "unread": every[MOST_CURRENCIES:]}

    def _number(self, key: str) -> int | None:
        try:
            return int(self._state(key) or "")
        except ValueError:
            return None

    def _state(self, key: str) -> str | None:
        try:
            return functions.state(self._admin, f"{PATH}/reporting", key)
        except RefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise
        except (KeyError, TypeError):
            return None


def _unknown(problem: str) -> dict[str, Any]:
    return {"problem": problem, "orders": {}, "amounts": {}, "unread": []}
